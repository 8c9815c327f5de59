// SPDX-License-Identifier: Apache-2.0
// `lsmtpd ctl trace [--peer NET] [--to ADDR] [--log] [--within DURATION]`: the dialogue of sessions
// on the operator's terminal or in the log, until the operator leaves or the time has passed.
// [main], but where it says otherwise
#pragma once

#include <list>
#include <memory>
#include <string>

#include "admin/ctl_commands.hpp"
#include "app/generations.hpp"
#include "base/result.hpp"
#include "io/loop.hpp"
#include "server/trace.hpp"

namespace lsmtpd::app {

class TraceOrders {
 public:
  static constexpr uint64_t kLongestMs = 900'000;
  static constexpr size_t kMost = 4;               // traces at a time
  static constexpr size_t kMostWaiting = 1 << 20;  // octets that the terminal has not taken

  TraceOrders(admin::Commands& commands, io::Loop& main, Workers& workers);
  ~TraceOrders();
  TraceOrders(const TraceOrders&) = delete;
  TraceOrders& operator=(const TraceOrders&) = delete;

 private:
  struct Running {
    std::shared_ptr<server::Trace> trace;
    std::shared_ptr<admin::Answer> answer;  // null: it goes to the log
    std::string what, by;                   // for the log
    uint64_t ends_at_ms = 0;
  };
  struct Wanted {
    Running running;
    bool to_log = false;
    uint64_t within_ms = kLongestMs;
  };

  static Result<Wanted> wanted(const admin::Order& order);
  void begin(Wanted wanted, const std::shared_ptr<admin::Answer>& answer);
  void look();
  void end(const Running& running, const char* why);

  admin::Commands& commands_;
  io::Loop& loop_;
  Workers& workers_;
  std::list<Running> running_;
  io::Timer timer_;
};

}  // namespace lsmtpd::app
