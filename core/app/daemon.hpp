// SPDX-License-Identifier: Apache-2.0
// The running daemon: start, signals, reloads, drain, stop, in that order. [main]
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/admin_service.hpp"
#include "app/binding.hpp"
#include "app/drain_orders.hpp"
#include "app/generations.hpp"
#include "app/operator_commands.hpp"
#include "app/preflight.hpp"
#include "app/process_metrics.hpp"
#include "app/reload.hpp"
#include "app/reload_orders.hpp"
#include "app/trace_orders.hpp"
#include "io/loop.hpp"
#include "server/watchdog.hpp"
#include "server/worker.hpp"

namespace lsmtpd::app {

class Daemon {
 public:
  // `config` was loaded without errors. `file` is the command line's, which a reload reads again;
  // empty: the usual one.
  Daemon(config::Config config, const std::string& file);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Serves until SIGTERM or SIGINT; returns the exit status.
  int run();

 private:
  bool prepare(std::vector<Bound>& bound);
  void start_admin(const std::vector<Bound>& bound, Diagnostics& diagnostics);
  Status start_instances();
  Status start_workers();
  Status serve(std::vector<Bound> bound);
  void reload();
  void reloaded();
  // daemon_end.cpp
  Status close();
  void end_sessions();
  void drain();
  void drain_overdue();
  void stop_accepting();
  void drain_workers();
  void close_lanes();
  void end(const char* why);
  void stop();
  const config::Config& config() const { return running_.configured->config; }
  // Those of its chains, each with its fallback or "".
  std::map<std::string, std::string> outputs_in_force() const;
  std::string ready_text() const;

  config::Config first_;  // until the plugins are loaded
  const uint32_t workers_wanted_;
  const Lasting lasting_;  // before all that uses it
  AdminService admin_;
  io::TlsCertificates certificates_;
  server::TlsRoom tls_room_;
  std::unique_ptr<server::Shared> shared_;
  io::Loop loop_;  // the main thread's: signals and the drain deadline
  Workers workers_;
  Generations generations_{loop_, workers_};
  Running running_;
  std::unique_ptr<ProcessMetrics> process_metrics_;  // reads what running_ has
  std::unique_ptr<Reload> reload_;                   // the one under way
  bool reload_again_ = false;                        // one more was asked for meanwhile
  std::unique_ptr<server::Watchdog> watchdog_;
  std::map<std::string, std::vector<std::string>> addresses_;  // numeric, by listener_address()
  std::unique_ptr<OperatorCommands> operators_;
  std::unique_ptr<ReloadOrders> reload_orders_;
  std::unique_ptr<DrainOrders> drain_orders_;
  std::unique_ptr<TraceOrders> trace_orders_;
  Deadlines::Entry close_deadline_;
  Deadlines::Entry drain_delay_;
  Deadlines::Entry drain_deadline_;
  uint64_t ends_at_ms_ = 0;  // when it passes, by the loop's monotonic clock
  size_t workers_left_ = 0;
  size_t workers_to_cut_off_ = 0;
  bool closed_ = false;    // lsmtpd ctl drain: no more mail, but the process goes on
  bool draining_ = false;  // it is to end
  bool cut_off_ = false;   // the drain's time is over
};

}  // namespace lsmtpd::app
