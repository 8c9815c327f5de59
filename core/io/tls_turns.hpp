// SPDX-License-Identifier: Apache-2.0
// The time that handshakes may take in one turn of a loop: a signature takes a millisecond, and two
// hundred clients that connect at once must not keep the loop from all others. A handshake that
// finds no time left waits for the next turn, in order. One for each loop; it outlives the
// handshakes that wait. [loop]
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "io/loop.hpp"

namespace lsmtpd::io {

class TlsTurns {
 public:
  static constexpr uint64_t kPerTurnNs = 2'000'000;

  explicit TlsTurns(Loop& loop, uint64_t per_turn_ns = kPerTurnNs)
      : loop_(loop), per_turn_ns_(per_turn_ns) {}
  TlsTurns(const TlsTurns&) = delete;
  TlsTurns& operator=(const TlsTurns&) = delete;

  // Whether a step may be done at once.
  bool has_time();
  // Measures a step while it lives.
  class Step {
   public:
    explicit Step(TlsTurns& turns);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    TlsTurns& turns_;
    const uint64_t began_ns_;
  };
  // Runs `task` in a later turn, if `owner` is still there then.
  void wait(std::weak_ptr<void> owner, Task task);

 private:
  struct Waiting {
    std::weak_ptr<void> owner;
    Task task;
  };
  void run();
  void run_later();

  Loop& loop_;
  const uint64_t per_turn_ns_;
  std::deque<Waiting> waiting_;
  uint64_t turn_ = UINT64_MAX;
  uint64_t spent_ns_ = 0;  // in that turn
  bool posted_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace lsmtpd::io
