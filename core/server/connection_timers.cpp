// SPDX-License-Identifier: Apache-2.0
#include "server/connection_timers.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::server {

ConnectionTimers::ConnectionTimers(const Limits& limits, const Timeouts& timeouts, Expired expired)
    : limits_(&limits),
      timeouts_(&timeouts),
      too_slow_(std::move(expired.too_slow)),
      idle_(std::move(expired.idle)),
      session_(std::move(expired.session)),
      rate_([this] { check_rate(*rate_deadlines_); }) {}

void ConnectionTimers::begin_session(Deadlines& deadlines) {
  deadlines.arm(session_, timeouts_->session);
}

void ConnectionTimers::begin_delay(Deadlines& deadlines, uint64_t greet_delay) {
  deadlines.arm(idle_, greet_delay);
}

void ConnectionTimers::expect_handshake(Deadlines& deadlines) {
  arm_idle(deadlines, timeouts_->tls);
}

void ConnectionTimers::expect_client(Deadlines& deadlines, const Progress& at) {
  if (at.in_data || !idle_.armed() || commands_at_arming_ != at.commands) {
    arm_idle(deadlines, at.in_data ? timeouts_->data_idle : timeouts_->command);
    commands_at_arming_ = at.commands;
  }
  octets_ = at.octets;
  if (ours_since_ms_) ours_ms_ += deadlines.now() - *std::exchange(ours_since_ms_, std::nullopt);
  if (!at.in_message) {
    rate_.disarm();
  } else if (!rate_.armed() && limits_->data_rate) {
    octets_at_rate_check_ = octets_;
    ours_ms_ = 0;
    rate_deadlines_ = &deadlines;
    deadlines.arm(rate_, kRateWindowMs);
  }
}

void ConnectionTimers::expect_us(Deadlines& deadlines) {
  idle_.disarm();
  if (!ours_since_ms_) ours_since_ms_ = deadlines.now();
}

void ConnectionTimers::expect_last_reply(Deadlines& deadlines) {
  rate_.disarm();
  arm_idle(deadlines, kLastReplyMs);
}

void ConnectionTimers::hurry(Deadlines& deadlines) {
  hurried_ = true;
  if (idle_.armed()) arm_idle(deadlines, kHurriedMs);
}

void ConnectionTimers::arm_idle(Deadlines& deadlines, uint64_t delay) {
  deadlines.arm(idle_, hurried_ ? std::min(delay, kHurriedMs) : delay);
}

void ConnectionTimers::stop() {
  idle_.disarm();
  session_.disarm();
  rate_.disarm();
}

void ConnectionTimers::check_rate(Deadlines& deadlines) {
  const uint64_t now = deadlines.now();
  if (ours_since_ms_) ours_ms_ += now - *std::exchange(ours_since_ms_, now);
  const uint64_t theirs_ms = kRateWindowMs - std::min(std::exchange(ours_ms_, 0), kRateWindowMs);
  const uint64_t came = octets_ - std::exchange(octets_at_rate_check_, octets_);
  if (came >= limits_->data_rate * theirs_ms / 1000) {
    deadlines.arm(rate_, kRateWindowMs);
  } else {
    too_slow_();
  }
}

}  // namespace lsmtpd::server
