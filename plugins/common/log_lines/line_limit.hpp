// SPDX-License-Identifier: Apache-2.0
// Limits how often a line of one kind is logged: `burst` at once, then one in each `each_ms`. The
// next line says how many were left out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace lsmtpd::log_lines {

// One thread.
class LineLimit {
 public:
  explicit LineLimit(uint64_t burst = 10, uint64_t each_ms = 1000)
      : burst_(burst), each_ms_(each_ms) {}

  // How many were left out since the last line; nothing: this one is left out too.
  std::optional<uint64_t> admit(uint64_t now_ms) {
    if (used_ > 0 && now_ms > since_ms_) {
      const uint64_t back = std::min(used_, (now_ms - since_ms_) / each_ms_);
      used_ -= back;
      since_ms_ += back * each_ms_;
    }
    if (used_ == burst_) {
      ++left_out_;
      return std::nullopt;
    }
    if (used_++ == 0) since_ms_ = now_ms;
    return std::exchange(left_out_, 0);
  }

 private:
  const uint64_t burst_;
  const uint64_t each_ms_;
  uint64_t used_ = 0;      // of burst_
  uint64_t since_ms_ = 0;  // when the next of them is given back, less each_ms_
  uint64_t left_out_ = 0;
};

// The same by the machine's clock. [any]
class SharedLineLimit {
 public:
  SharedLineLimit(uint64_t burst, uint64_t each_ms) : limit_(burst, each_ms) {}

  std::optional<uint64_t> admit() {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    const std::lock_guard lock(mutex_);
    return limit_.admit(static_cast<uint64_t>(now.count()));
  }

 private:
  std::mutex mutex_;
  LineLimit limit_;  // guarded by mutex_
};

}  // namespace lsmtpd::log_lines
