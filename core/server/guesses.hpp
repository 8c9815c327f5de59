// SPDX-License-Identifier: Apache-2.0
// The failed authentications of one peer, across its connections and all workers: each attempt
// waits longer, the more of them there were. Any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

namespace lsmtpd::server {

class Guesses {
 public:
  static constexpr uint32_t kFree = 3;                // failures before attempts wait
  static constexpr uint64_t kFirstWaitMs = 1000;      // doubles with each further failure,
  static constexpr uint64_t kLongestWaitMs = 30'000;  // up to this
  static constexpr uint64_t kMostQueuedMs = 60'000;   // attempts of many connections, in a row
  static constexpr uint64_t kHalfLifeMs = 300'000;    // then half of the failures are forgotten

  // An attempt begins. Returns how long it has to wait; nothing: so many wait that it has no place.
  std::optional<uint64_t> begin(uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    forget(now_ms);
    if (failures_ < kFree) return 0;
    const uint32_t doublings = failures_ - kFree;
    const uint64_t wait =
        doublings > 5 ? kLongestWaitMs : std::min(kFirstWaitMs << doublings, kLongestWaitMs);
    const uint64_t at = std::max(next_ms_, now_ms) + wait;
    if (at - now_ms > kMostQueuedMs) return std::nullopt;
    next_ms_ = at;
    return at - now_ms;
  }

  // An attempt failed. `fingerprint` is of the user and the password. Returns true where it counts:
  // a program that is set up wrong tries the same again and again, and guesses nothing.
  bool failed(uint64_t now_ms, uint64_t fingerprint) {
    const std::lock_guard lock(mutex_);
    forget(now_ms);
    const auto end = known_.begin() + std::min<size_t>(known_count_, known_.size());
    if (std::find(known_.begin(), end, fingerprint) != end) return false;
    known_[known_count_++ % known_.size()] = fingerprint;
    ++failures_;
    return true;
  }

 private:
  void forget(uint64_t now_ms) {
    if (since_ms_ == 0) since_ms_ = now_ms;
    for (; now_ms - since_ms_ >= kHalfLifeMs; since_ms_ += kHalfLifeMs) {
      failures_ /= 2;
      if (failures_ == 0) {
        since_ms_ = now_ms;
        break;
      }
    }
  }

  std::mutex mutex_;
  uint32_t failures_ = 0;
  uint64_t since_ms_ = 0;  // failures are counted, or were halved
  uint64_t next_ms_ = 0;   // the last attempt that waits begins
  std::array<uint64_t, 16> known_{};
  uint32_t known_count_ = 0;  // ever; the last ones are kept
};

}  // namespace lsmtpd::server
