// SPDX-License-Identifier: Apache-2.0
// Which of a list of brokers is tried next, and after what pause. One of them is the home of a
// connection: it begins there, goes through the others, and go_home() leads back to it. `turn` says
// which of the others comes first, so that those who lose one home do not all go to one other.
//
// A lane's Dialer has one. failed() after each attempt in vain, succeeded() when a broker turned
// out to be good, lost() when the connection to a good one ended. Pure: the clock and the dice are
// the caller's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backoff.hpp"

namespace lsmtpd::sink {

class Failover {
 public:
  Failover(std::size_t count, std::size_t home, std::size_t turn, std::uint64_t first_ms,
           std::uint64_t last_ms)
      : count_(count),
        home_(home),
        turn_(turn),
        first_ms_(first_ms),
        rounds_(first_ms, last_ms),
        lives_(first_ms, last_ms) {}

  std::size_t current() const {
    return place_ == 0 ? home_ : (home_ + 1 + (turn_ + place_ - 1) % (count_ - 1)) % count_;
  }
  std::size_t home() const { return home_; }
  // Each broker of the list was tried in vain since the last success.
  bool exhausted() const { return failures_ >= count_; }
  // Goes on to the next broker. Returns how long to wait before it is tried: nothing, until all
  // were tried one after the other; then a pause that doubles with each round.
  std::uint64_t failed(std::uint64_t dice);
  void succeeded(std::uint64_t now_ms);
  // Returns how long to wait before the same broker is tried again: up to `first_ms`, by chance,
  // since a broker that goes down loses all its connections at once; longer where a connection ends
  // soon again and again.
  std::uint64_t lost(std::uint64_t now_ms, std::uint64_t dice);
  void go_home();
  void go_on() { place_ = (place_ + 1) % count_; }

 private:
  std::size_t count_;
  std::size_t home_;
  std::size_t turn_;
  std::size_t place_ = 0;  // in the order of tries
  std::uint64_t first_ms_;
  Backoff rounds_;  // of brokers that were all tried in vain
  Backoff lives_;   // of connections that ended soon
  std::size_t failures_ = 0;
  std::size_t short_lives_ = 0;  // in a row
  std::uint64_t succeeded_at_ = 0;
};

}  // namespace lsmtpd::sink
