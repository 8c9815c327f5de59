// SPDX-License-Identifier: Apache-2.0
// Tells the service manager that the daemon works, as long as the loop of every worker turns: one
// that is stuck has the process ended and started again. Does nothing where no manager waits for
// it. [main]
#pragma once

#include <memory>

#include "app/generations.hpp"
#include "io/loop.hpp"

namespace lsmtpd::app {

class ManagerWatchdog {
 public:
  // `workers` outlive it.
  ManagerWatchdog(io::Loop& loop, Workers& workers);
  ManagerWatchdog(const ManagerWatchdog&) = delete;
  ManagerWatchdog& operator=(const ManagerWatchdog&) = delete;

 private:
  void ask();

  io::Loop& loop_;
  Workers& workers_;
  const std::shared_ptr<size_t> waits_for_ = std::make_shared<size_t>(0);  // workers
  io::Timer timer_;
};

}  // namespace lsmtpd::app
