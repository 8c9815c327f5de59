// SPDX-License-Identifier: Apache-2.0
#include "failover.hpp"

namespace lsmtpd::sink {

namespace {

// A connection that was good for longer than this is tried again soon when it is lost.
constexpr std::uint64_t kSettledIn = 5000;

}  // namespace

std::uint64_t Failover::failed(std::uint64_t dice) {
  ++failures_;
  go_on();
  return failures_ % count_ == 0 ? rounds_.failed(dice) : 0;
}

void Failover::succeeded(std::uint64_t now_ms) {
  succeeded_at_ = now_ms;
  failures_ = 0;
  rounds_.succeeded();
}

std::uint64_t Failover::lost(std::uint64_t now_ms, std::uint64_t dice) {
  if (now_ms - succeeded_at_ >= kSettledIn) {
    short_lives_ = 0;
    lives_.succeeded();
  } else if (++short_lives_ >= 2) {
    return lives_.failed(dice);
  }
  return dice % (first_ms_ + 1);
}

void Failover::go_home() {
  place_ = 0;
  failures_ = 0;
}

}  // namespace lsmtpd::sink
