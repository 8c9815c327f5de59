// SPDX-License-Identifier: Apache-2.0
// Whether a list may be asked; shared by all workers. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace filter_dnsbl {

class ListState {
 public:
  static constexpr uint64_t kErrorMs = 3'600'000;  // after an error of the list
  static constexpr uint64_t kPauseMs = 60'000;     // after it did not answer
  static constexpr uint32_t kMostFailures = 5;

  bool is_on(uint64_t now_ms) const { return on_ && off_until_ms_ <= now_ms; }
  // By its test points. True: that is new.
  bool set(bool on) {
    const bool first = !std::exchange(known_, true);
    return on_.exchange(on) != on || first;
  }
  // True: it was on, so this has to be said.
  bool switch_off(uint64_t now_ms, uint64_t for_ms) {
    uint64_t before = off_until_ms_;
    while (before < now_ms + for_ms &&
           !off_until_ms_.compare_exchange_weak(before, now_ms + for_ms)) {
    }
    return on_ && before <= now_ms;
  }
  // A question got no answer. True: that was the last one of several in a row.
  bool failed() { return ++failures_ % kMostFailures == 0; }
  void answered() { failures_ = 0; }

 private:
  std::atomic<bool> on_{false};
  bool known_ = false;  // of worker 0's lane only
  std::atomic<uint64_t> off_until_ms_{0};
  std::atomic<uint32_t> failures_{0};
};

}  // namespace filter_dnsbl
