// SPDX-License-Identifier: Apache-2.0
// How long one connection may work in one turn of its loop. A client that always has more, such as
// one that sends short lines as fast as it can, gets its next share in the next turn, after all
// others. [loop]
#pragma once

#include <cstdint>
#include <ctime>

namespace lsmtpd::server {

class TurnBudget {
 public:
  static constexpr uint32_t kStride = 32;  // the clock is asked once for so many steps
  // Fewer steps in a turn are not worth a look at the clock: most turns have one or two.
  static constexpr uint32_t kFree = 8;

  explicit TurnBudget(uint64_t nanoseconds) : nanoseconds_(nanoseconds) {}

  // The loop's turn, and whether there is work: without any, nothing is spent.
  void begin(uint64_t turn, bool work) {
    if (turn != turn_) {
      turn_ = turn;
      steps_ = 0;
      worked_ = spent_ = false;
    }
    worked_ = worked_ || work;
  }
  // After each step.
  bool step() {
    if (++steps_ == kFree) ends_at_ = now() + nanoseconds_;
    return steps_ % kStride == 0 ? spent() : spent_;
  }
  bool spent() {
    spent_ = spent_ || (worked_ && steps_ >= kFree && now() >= ends_at_);
    return spent_;
  }

 private:
  static uint64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
  }

  const uint64_t nanoseconds_;
  uint64_t turn_ = UINT64_MAX;
  uint64_t ends_at_ = 0;
  uint32_t steps_ = 0;
  bool worked_ = false;
  bool spent_ = false;
};

}  // namespace lsmtpd::server
