// SPDX-License-Identifier: Apache-2.0
// The deadlines of one connection: how long its client may take for a command, for data and for the
// whole session, and how slowly data may come. Each call names the loop's deadlines, whose clock
// must be of this turn. [loop]
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/deadlines.hpp"
#include "server/settings.hpp"

namespace lsmtpd::server {

class ConnectionTimers {
 public:
  static constexpr uint64_t kRateWindowMs = 30'000;
  static constexpr uint64_t kLastReplyMs = 30'000;  // for the client to take it
  static constexpr uint64_t kHurriedMs = 5000;      // for anything, while we are stopping

  struct Expired {
    std::function<void()> idle;  // whichever of the short ones is armed
    std::function<void()> session;
    std::function<void()> too_slow;
  };
  // How far the client is.
  struct Progress {
    bool in_data;
    bool in_message;    // in data, or between the chunks of one message
    uint32_t commands;  // changes with each command line and each end of content
    uint64_t octets;    // of the message so far
  };

  // `limits` and `timeouts` must outlive it, here and below.
  ConnectionTimers(const Limits& limits, const Timeouts& timeouts, Expired expired);

  // Counts from the next deadline that is armed.
  void set_limits(const Limits& limits, const Timeouts& timeouts) {
    limits_ = &limits;
    timeouts_ = &timeouts;
  }

  void begin_session(Deadlines& deadlines);
  void begin_delay(Deadlines& deadlines, uint64_t greet_delay);
  void expect_handshake(Deadlines& deadlines);
  // It is the client's turn. A command has its time from the end of the one before, however many
  // octets of it come; what comes too slowly within data is limits.data_rate's.
  void expect_client(Deadlines& deadlines, const Progress& at);
  // The client waits for us: that time does not count as its own.
  void expect_us(Deadlines& deadlines);
  void expect_last_reply(Deadlines& deadlines);  // the client has to take it
  // From now on nobody has long: we are stopping. `idle` is armed again where it was.
  void hurry(Deadlines& deadlines);
  void forget_idle() { idle_.disarm(); }  // the next expect_client() starts over
  void stop();

 private:
  void arm_idle(Deadlines& deadlines, uint64_t delay);
  void check_rate(Deadlines& deadlines);

  const Limits* limits_;
  const Timeouts* timeouts_;
  const std::function<void()> too_slow_;
  Deadlines* rate_deadlines_ = nullptr;
  Deadlines::Entry idle_;
  Deadlines::Entry session_;
  Deadlines::Entry rate_;
  uint64_t octets_ = 0;  // of the message, as far as it is known
  uint64_t octets_at_rate_check_ = 0;
  uint64_t ours_ms_ = 0;  // of the rate's window, and since when it is our turn, if it is
  std::optional<uint64_t> ours_since_ms_;
  uint32_t commands_at_arming_ = 0;
  bool hurried_ = false;
};

}  // namespace lsmtpd::server
