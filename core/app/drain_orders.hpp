// SPDX-License-Identifier: Apache-2.0
// `lsmtpd ctl drain [--flush] [--within DURATION]`: the daemon takes no more mail, transactions
// come to their end, and the order is answered with how many stored messages wait for their output.
// With --flush outputs are tried without a pause until nothing waits or that time has passed. The
// process goes on, replays too, until it is told to stop. [main], but where it says otherwise
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/board.hpp"
#include "admin/ctl_commands.hpp"
#include "app/generations.hpp"
#include "app/operator_commands.hpp"
#include "base/result.hpp"
#include "io/loop.hpp"

namespace lsmtpd::app {

class DrainOrders {
 public:
  static constexpr uint64_t kLookMs = 1000, kRetryMs = 5000, kTellMs = 10'000;
  static constexpr uint64_t kWithinMs = 600'000;  // where the order names no time

  struct Daemon {
    io::Loop& main;
    Workers& workers;
    Generations& generations;
    const admin::Board& board;
    OperatorCommands& operators;
    std::function<Status()> close;  // takes no more mail; an error: it starts or stops
  };

  DrainOrders(admin::Commands& commands, Daemon daemon);
  ~DrainOrders();
  DrainOrders(const DrainOrders&) = delete;
  DrainOrders& operator=(const DrainOrders&) = delete;

  // The last session has ended.
  void sessions_ended();
  // The process stops.
  void stopping();

 private:
  // One order under way.
  struct Order {
    std::shared_ptr<admin::Answer> answer;
    bool flush = false;
    uint64_t ends_at_ms = 0;
    uint64_t tried_at_ms = 0;  // 0: not yet
    uint64_t told_at_ms = 0;
  };
  // How many messages wait, by output; nothing where that cannot be found out.
  using Waiting = std::map<std::string, std::optional<uint64_t>>;

  void begin(Order order);
  void look();
  void counted(const Waiting& waiting);
  bool answered(Order& order, const Waiting& waiting, uint64_t now);
  std::string text_of(const Waiting& waiting) const;
  bool all_held(const Waiting& waiting) const;

  admin::Commands& commands_;
  const Daemon daemon_;
  const std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);
  std::vector<Order> orders_;
  bool sessions_ended_ = false;
  bool counting_ = false;
  io::Timer timer_;
};

}  // namespace lsmtpd::app
