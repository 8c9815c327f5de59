// SPDX-License-Identifier: Apache-2.0
// A circuit breaker: after several failures in a row nothing is asked for a while, then one
// question at a time until one succeeds. Each one in vain doubles the pause, up to `longest_ms`.
// Workers may share one. [any]
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace lsmtpd::http {

class Breaker {
 public:
  // `failures` 0: it never opens. `longest_ms` 0: the pause stays the same.
  Breaker(uint32_t failures, uint64_t pause_ms, uint64_t longest_ms = 0)
      : most_(failures), first_ms_(pause_ms), longest_ms_(std::max(longest_ms, pause_ms)) {}

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
    if (open_) {
      // Questions from before it opened do not make it longer.
      if (probing_) {
        pause_ms_ = std::min(2 * pause_ms_, longest_ms_);
        until_ms_ = now_ms + pause_ms_;
      }
      probing_ = false;
      return false;
    }
    if (most_ == 0 || ++failures_ < most_) return false;
    open_ = true;
    pause_ms_ = first_ms_;
    until_ms_ = now_ms + pause_ms_;
    return true;
  }
  // Nobody waits for the answer any more.
  void abandoned() {
    const std::lock_guard lock(mutex_);
    probing_ = false;
  }
  // Nothing is asked now, and nobody tries.
  bool pausing(uint64_t now_ms) const {
    const std::lock_guard lock(mutex_);
    return open_ && !probing_ && now_ms < until_ms_;
  }
  bool is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  const uint32_t most_;
  const uint64_t first_ms_, longest_ms_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  uint32_t failures_ = 0;
  uint64_t pause_ms_ = 0;
  uint64_t until_ms_ = 0;
  bool open_ = false, probing_ = false;
};

}  // namespace lsmtpd::http
