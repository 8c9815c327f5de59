// SPDX-License-Identifier: Apache-2.0
// The commands of `lsmtpd ctl` that act on outputs, sessions and the log: hold, release, flush,
// log-level, sessions. They come on the admin server's loop; what needs the workers is done on the
// main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "admin/board.hpp"
#include "admin/ctl_commands.hpp"
#include "io/loop.hpp"
#include "plugin/holds.hpp"
#include "server/worker.hpp"

namespace lsmtpd::app {

class OperatorCommands {
 public:
  struct Daemon {
    io::Loop& main;
    std::string state_directory;
    // [main] Those that run; empty before the start and at the stop.
    std::function<std::vector<server::Worker*>()> workers;
    // [main] Those of the chains of the configuration in force, each with its fallback or "".
    std::function<std::map<std::string, std::string>()> outputs;
  };

  // Adds the commands; reads the holds that outlived a restart, which `holds` and the board get.
  OperatorCommands(admin::Board& board, admin::Commands& commands,
                   std::shared_ptr<plugin::Holds> holds, Daemon daemon);
  ~OperatorCommands();
  OperatorCommands(const OperatorCommands&) = delete;
  OperatorCommands& operator=(const OperatorCommands&) = delete;

  // [main] At the start and once a day: a line for each output that is held.
  void warn_of_holds() const;
  // [main] As `flush`; `done` comes on a worker's loop, with how many outputs or messages there
  // are.
  void retry(const std::string& selection, std::function<void(size_t)> done);

 private:
  using Order = admin::Order;
  using Answer = std::shared_ptr<admin::Answer>;

  void hold(const Order& order, const Answer& answer);
  void release(const Order& order, const Answer& answer);
  void flush(const Order& order, const Answer& answer);
  void sessions(const Order& order, const Answer& answer);
  void hold_on_main(const Order& order, const Answer& answer);
  void set_hold(const std::string& output, const admin::Hold* hold, const Answer& answer);

  admin::Board& board_;
  admin::Commands& commands_;
  const std::shared_ptr<plugin::Holds> holds_;
  const Daemon daemon_;
  std::mutex mutex_;  // one change of the holds at a time
};

}  // namespace lsmtpd::app
