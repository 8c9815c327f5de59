// SPDX-License-Identifier: Apache-2.0
// A circuit breaker: after several failures in a row nothing is asked for a while, then one
// question at a time until one succeeds. All workers share one. [any]
#pragma once

#include <cstdint>
#include <mutex>

namespace filter_http {

class Breaker {
 public:
  // `failures` 0: it never opens.
  Breaker(uint32_t failures, uint64_t pause_ms) : most_(failures), pause_ms_(pause_ms) {}

  // True: ask. Each admitted question ends with one of the three below.
  bool admit(uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    if (!open_) return true;
    if (probing_ || now_ms < until_ms_) return false;
    return probing_ = true;
  }
  // True: it was open, and is closed now.
  bool succeeded() {
    const std::lock_guard lock(mutex_);
    failures_ = 0;
    probing_ = false;
    const bool was_open = open_;
    open_ = false;
    return was_open;
  }
  // True: it was closed, and is open now.
  bool failed(uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const bool was_open = open_;
    if (open_) {
      // Questions from before it opened do not make it longer.
      if (probing_) until_ms_ = now_ms + pause_ms_;
      probing_ = false;
      return false;
    }
    if (most_ == 0 || ++failures_ < most_) return false;
    open_ = true;
    until_ms_ = now_ms + pause_ms_;
    return !was_open;
  }
  // Nobody waits for the answer any more.
  void abandoned() {
    const std::lock_guard lock(mutex_);
    probing_ = false;
  }

 private:
  const uint32_t most_;
  const uint64_t pause_ms_;
  std::mutex mutex_;
  // Guarded by mutex_:
  uint32_t failures_ = 0;
  uint64_t until_ms_ = 0;
  bool open_ = false, probing_ = false;
};

}  // namespace filter_http
