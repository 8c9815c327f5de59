// SPDX-License-Identifier: Apache-2.0
// When the beginning and the end of an outage are logged: a service that answers and fails in turn
// gets a few pairs of lines, then a pair a minute. An outage that lasts is always logged, if late.
// Common to the lanes of an instance. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "line_limit.hpp"

namespace lsmtpd::log_lines {

class OutageLines {
 public:
  // There was no answer. A value: log that, and how many outages before were left out.
  std::optional<uint64_t> failed(uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const bool begins = !failing_.exchange(true);
    if (said_) return std::nullopt;
    if (begins) ++unsaid_;
    if (!limit_.admit(now_ms)) return std::nullopt;
    said_ = true;
    return std::exchange(unsaid_, 0) - 1;
  }
  // There was an answer. True: log that the outage is over.
  bool answered() {
    if (!failing_.load(std::memory_order_relaxed)) return false;
    const std::lock_guard lock(mutex_);
    failing_ = false;
    return std::exchange(said_, false);
  }
  // The present outage was logged.
  bool said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

 private:
  std::atomic<bool> failing_{false};
  std::mutex mutex_;  // guards these
  LineLimit limit_{3, 60'000};
  bool said_ = false;
  uint64_t unsaid_ = 0;  // outages since the last line
};

}  // namespace lsmtpd::log_lines
