// SPDX-License-Identifier: Apache-2.0
// The running daemon: start, signals, drain, stop, in that order. [main]
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/preflight.hpp"
#include "app/setup.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"
#include "server/worker.hpp"

namespace lsmtpd::app {

// Exit statuses of lsmtpd.
inline constexpr int kExitOk = 0, kExitFailed = 1, kExitUsage = 2;

class Daemon {
 public:
  // `config` was loaded without errors, and outlives the daemon.
  explicit Daemon(const config::Config& config);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Serves until SIGTERM or SIGINT; returns the exit status.
  int run();

 private:
  struct Bound {
    size_t listener;
    std::vector<std::string> addresses;
    std::vector<std::vector<UniqueFd>> sockets;  // of each worker, one an address
  };

  bool prepare();
  void bind(Diagnostics& diagnostics);
  Status bind(size_t listener);
  Status start_instances();
  Status start_workers();
  Status listen();
  Status serve();
  void drain();
  void close_lanes();
  void end(const char* why);
  void stop();

  const config::Config& config_;
  uint32_t workers_wanted_;
  std::vector<Bound> bound_;
  std::unique_ptr<Setup> setup_;
  const server::Settings settings_;
  std::unique_ptr<server::Peers> peers_;
  std::unique_ptr<server::Shared> shared_;
  std::vector<plugin::Instance*> started_;
  io::Loop loop_;  // the main thread's: signals and the drain deadline
  std::vector<std::unique_ptr<server::Worker>> workers_;
  Deadlines::Entry drain_deadline_;
  uint64_t ends_at_ms_ = 0;  // when it passes, by the loop's monotonic clock
  size_t workers_left_ = 0;
  bool draining_ = false;
};

}  // namespace lsmtpd::app
