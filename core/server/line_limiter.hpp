// SPDX-License-Identifier: Apache-2.0
// At most so many log lines a minute; what was held back is counted, and told by the next line that
// is let through. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

namespace lsmtpd::server {

class LineLimiter {
 public:
  static constexpr uint64_t kWindowMs = 60'000;

  explicit LineLimiter(uint32_t most) : most_(most) {}

  // How many were held back since the last line, or nothing: then this one is held back too, with
  // the `lines` that it stands for.
  std::optional<uint64_t> admit(uint64_t now_ms, uint64_t lines = 1) {
    std::lock_guard lock(mutex_);
    if (now_ms >= ends_at_ms_) {
      ends_at_ms_ = now_ms + kWindowMs;
      written_ = 0;
    }
    if (written_ >= most_) {
      held_back_ += lines;
      return std::nullopt;
    }
    ++written_;
    const uint64_t before = held_back_;
    held_back_ = 0;
    return before;
  }

 private:
  const uint32_t most_;
  std::mutex mutex_;
  uint64_t ends_at_ms_ = 0;  // these are guarded by mutex_
  uint32_t written_ = 0;
  uint64_t held_back_ = 0;
};

}  // namespace lsmtpd::server
