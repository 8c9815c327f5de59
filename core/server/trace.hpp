// SPDX-License-Identifier: Apache-2.0
// An operator's order to see the dialogue of some sessions, and what a session keeps for it.
//
// A session without a trace pays for one branch at each command and each batch of replies.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/network.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::server {

struct Trace {
  std::vector<Network> peers = {};  // empty: every peer
  std::string to = {};              // "user@example.org" or "@example.org"; empty: all mail
  // [loop of any worker] `line`: "C: MAIL FROM:<a@example.org>", escaped.
  std::function<void(std::string_view session, std::string_view line)> write;
};

// Those of one worker. [loop]
using Traces = std::vector<std::shared_ptr<const Trace>>;

// The dialogue of one session. Passwords, responses and challenges of AUTH, content and lines that
// are no command (a password that came at the wrong time) are left out. For a trace of a recipient
// the lines before it are kept: at most kMostKept octets, the last ones. [loop]
class SessionTrace final : public smtp::Dialogue {
 public:
  static constexpr uint64_t kMostKept = 4096;

  // `replies`: what waits in Session::replies() already. `memory`: of kMostKept octets, or empty;
  // then nothing is kept.
  SessionTrace(std::string session, std::string_view replies, Reservation memory);

  void watch(const std::shared_ptr<const Trace>& trace);
  // False: no trace watches it any more.
  bool stop(const Trace& trace);

  void event(std::string_view text);
  // The replies that are taken out of Session::replies() now.
  void sent(std::string_view replies);

  // smtp::Dialogue
  void command(const smtp::Command& command, std::string_view line,
               std::string_view replies) override;
  void hidden(std::string_view what, std::string_view replies) override;

 private:
  struct Watching {
    std::shared_ptr<const Trace> trace;
    bool live = false;  // it has the session's lines; else the recipient has not come yet
  };

  void catch_up(std::string_view replies);
  void say(std::string_view who, std::string_view text);
  void recipient(std::string_view argument);

  const std::string session_;
  size_t seen_;  // octets of replies that were said
  Reservation memory_;
  std::vector<Watching> watching_;
  std::deque<std::string> kept_;
  size_t kept_octets_ = 0;
};

// Whether the argument of RCPT ("TO:<user@example.org>") names `to`, as Trace has it.
bool names_recipient(std::string_view argument, std::string_view to);

}  // namespace lsmtpd::server
