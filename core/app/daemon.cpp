// SPDX-License-Identifier: Apache-2.0
#include "app/daemon.hpp"
#include "app/exit_status.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "app/certificates.hpp"
#include "app/layer_settings.hpp"
#include "app/manager_watchdog.hpp"
#include "app/process.hpp"
#include "app/service_manager.hpp"
#include "base/invariant.hpp"
#include "log/log.hpp"
#include "plugin/running.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kTrimMs = 5000;
constexpr uint64_t kTurnMs = 1000;
constexpr uint64_t kHoldWarningMs = 24ull * 3600 * 1000;
constexpr uint64_t kCertificatesMs = 60'000;  // certbot and Kubernetes replace files unannounced
constexpr uint64_t kConnectionMemory = 2048;  // one that is idle; see test_floods.py

[[maybe_unused]] void report_invariant(const char* expression, const char* file, int line) {
  log::error("invariant_broken", {{"expression", expression}, {"file", file}, {"line", line}});
}

}  // namespace

Daemon::Daemon(config::Config config, const std::string& file)
    : first_(std::move(config)),
      workers_wanted_(worker_count(first_.server)),
      admin_(first_, lasting_.metrics),
      tls_room_(first_.limits.tls_memory),
      running_{.file = file,
               .configured = nullptr,
               .addresses = {},
               .loop = loop_,
               .workers = workers_,
               .generations = generations_,
               .certificates = certificates_,
               .tls_room = tls_room_},
      close_deadline_([this] {
        for (auto& worker : workers_) worker->cut_off([] {});
      }),
      drain_delay_([this] { stop_accepting(); }),
      drain_deadline_([this] { drain_overdue(); }) {}

Daemon::~Daemon() {
  Heartbeat::attach(nullptr);
}

int Daemon::run() {
#ifdef NDEBUG
  go_on_after_broken_invariants(report_invariant);
#endif
  ignore_fatal_signals();
  give_children_a_clean_mask();
  plugin::name_plugin_in_crashes();
  // Until there is a log to reopen; SIGUSR2 has no meaning.
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  std::vector<Bound> bound;
  if (!prepare(bound)) {
    log::close();
    return kExitUsage;
  }
  Heartbeat::attach(loop_.heartbeat().get());
  watchdog_ = std::make_unique<server::Watchdog>();
  watchdog_->watch({}, loop_.heartbeat());
  auto status = start_instances();
  plugin::refuse_exit();
  if (status) status = start_workers();
  if (status) {
    status = serve(std::move(bound));
    end_at_once_on_signals();
  }
  if (!status) {
    log::error("cannot_start", {{"why", status.error().message}});
    close_lanes();
    loop_.run();
  }
  stop();
  return status ? kExitOk : kExitFailed;
}

// Everything that `check` looks for too. False: not all of it is there, which has been shown.
bool Daemon::prepare(std::vector<Bound>& bound) {
  Diagnostics diagnostics;
  const auto& limits = first_.limits;
  require(raise_descriptor_limit(limits.connections), limits.given["connections"], diagnostics);
  bound = bind_listeners(first_, workers_wanted_, {}, diagnostics);
  const auto& admin = first_.admin;
  require(admin_.bind_socket(), admin.given["socket"], diagnostics);
  require(admin_.bind_http(), admin.given["http"], diagnostics);
  if (!has_errors(diagnostics))
    require(drop_privileges(first_.server.user), first_.server.given["user"], diagnostics);
  // After privileges were dropped: SIGHUP must be able to open the file again.
  if (!has_errors(diagnostics))
    require(log::open(log_settings(first_.log)), first_.log.given["file"], diagnostics);
  if (!has_errors(diagnostics) && !first_.tls.certificates.empty()) {
    require(certificates_.load(tls_settings(first_.tls)), first_.tls.given["certificates"],
            diagnostics);
  }
  if (!has_errors(diagnostics)) start_admin(bound, diagnostics);
  const std::string file = first_.file;
  if (!has_errors(diagnostics)) {
    running_.configured = std::make_unique<Configured>(std::move(first_), lasting_);
    running_.configured->setup.load(diagnostics);
    process_metrics_ = std::make_unique<ProcessMetrics>(
        lasting_.metrics, running_.configured->setup.resources(), tls_room_, certificates_);
  }
  config::sort_by_position(diagnostics);
  show(diagnostics, file);
  return !has_errors(diagnostics);
}

// From here on it answers, whatever else takes time or fails.
void Daemon::start_admin(const std::vector<Bound>& bound, Diagnostics& diagnostics) {
  for (const auto& one : bound) addresses_[one.address] = one.at;
  admin_.board().set_facts(facts_of(first_, addresses_));
  const auto running = [this] {
    std::vector<server::Worker*> all;
    for (const auto& worker : workers_) all.push_back(worker.get());
    return all;
  };
  operators_ = std::make_unique<OperatorCommands>(
      admin_.board(), admin_.commands(), lasting_.holds,
      OperatorCommands::Daemon{loop_, first_.server.state_directory, running,
                               [this] { return outputs_in_force(); }});
  reload_orders_ = std::make_unique<ReloadOrders>(admin_.commands(), loop_, [this] { reload(); });
  drain_orders_ = std::make_unique<DrainOrders>(
      admin_.commands(), DrainOrders::Daemon{loop_, workers_, generations_, admin_.board(),
                                             *operators_, [this] { return close(); }});
  trace_orders_ = std::make_unique<TraceOrders>(admin_.commands(), loop_, workers_);
  require(admin_.start(), first_.admin.given["token_file"], diagnostics);
}

std::map<std::string, std::string> Daemon::outputs_in_force() const {
  std::map<std::string, std::string> all;
  const auto& instances = running_.configured->setup.instances();
  for (const auto& chain : config().chains) {
    for (const auto& step : chain.all_steps()) {
      const auto found = instances.find(step);
      if (found != instances.end() && found->second->output())
        all[step] = config().plugin(step)->fallback;
    }
  }
  return all;
}

Status Daemon::start_instances() {
  running_.peers = std::make_unique<server::Peers>(peer_limits(config()));
  shared_ = std::unique_ptr<server::Shared>(new server::Shared{
      running_.configured->setup.resources(), *running_.peers, lasting_.metrics.get(),
      [this](uint64_t generation, uint32_t worker) { generations_.part_gone(generation, worker); },
      [this] { generations_.lane_gone(); }});
  shared_->certificates = &certificates_;
  shared_->tls_room = &tls_room_;
  const auto generation = make_generation(*running_.configured, generations_.next_number());
  generations_.add(generation);
  for (const auto& [name, instance] : generation->instances) {
    if (auto status = instance->start(); !status) return status;
  }
  for (const auto& listener : config().listeners)
    running_.addresses.insert(listener_address(listener));
  return {};
}

Status Daemon::start_workers() {
  const auto generation = generations_.newest();
  for (uint32_t i = 0; i < workers_wanted_; ++i) {
    workers_.push_back(std::make_unique<server::Worker>(i, *shared_));
    watchdog_->watch(i, workers_.back()->heartbeat());
    generations_.expect_part(i);
    if (auto status = workers_.back()->start(generation); !status) return status;
  }
  generations_.put_in_force(generation->number, 0);
  std::vector<std::shared_ptr<server::ReportBoard>> reports;
  for (const auto& worker : workers_) reports.push_back(worker->reports());
  admin_.board().set_workers(std::move(reports));
  return {};
}

std::string Daemon::ready_text() const {
  return fmt::format("Serving {} {}, configuration {}", config().listeners.size(),
                     config().listeners.size() == 1 ? "listener" : "listeners",
                     generations_.in_force());
}

// From the first client on a signal means a drain.
Status Daemon::serve(std::vector<Bound> bound) {
  io::Signal term(loop_, SIGTERM, [this] { drain(); });
  io::Signal interrupt(loop_, SIGINT, [this] { drain(); });
  io::Signal hangup(loop_, SIGHUP, [this] {
    log::reopen();
    reload();
  });
  io::Signal user1(loop_, SIGUSR1, [] { log::reopen(); });
  for (auto& one : bound) {
    if (auto status = listen(workers_, std::move(one)); !status) return status;
  }
  SurplusMemory surplus;
  io::Timer trim(loop_, [&] {
    surplus.give_back(running_.configured->setup.resources().memory.used() +
                      running_.peers->count() * kConnectionMemory);
  });
  trim.start(kTrimMs, kTrimMs);
  io::Timer look(loop_, [this] {
    if (certificates_.current()) renew_certificates(certificates_);
  });
  look.start(kCertificatesMs, kCertificatesMs);
  const ManagerWatchdog manager_watchdog(loop_, workers_);
  io::Timer turns(loop_, [this] {
    admin_.board().main_turned();
    notify_what_is_left();
  });
  turns.start(kTurnMs, kTurnMs);
  io::Timer held(loop_, [this] { operators_->warn_of_holds(); });
  held.start(kHoldWarningMs, kHoldWarningMs);
  operators_->warn_of_holds();
  note_config_load(*lasting_.metrics, true);
  admin_.board().main_turned();
  admin_.board().set_phase(admin::Phase::serving);
  log::info("ready",
            {{"version", running_.configured->setup.process().version}, {"config", config().file}});
  notify_ready(ready_text());
  loop_.run();
  hold_end_signals();
  return {};
}

// One at a time; those that are asked for meanwhile are one more, and none once a drain has begun.
void Daemon::reload() {
  if (const auto phase = admin_.board().phase(); phase != admin::Phase::serving) {
    reload_orders_->refuse(fmt::format("no reload: the daemon is {}", phase_name(phase)));
    return;
  }
  if (reload_) {
    reload_again_ = true;
    return;
  }
  notify_reloading();
  reload_orders_->begun();
  reload_ = std::make_unique<Reload>(running_, [this] { reloaded(); });
  reload_->begin();
}

void Daemon::reloaded() {
  const auto ended = std::move(reload_);
  ended->log_result();
  note_config_load(*lasting_.metrics, ended->succeeded());
  if (ended->succeeded()) admin_.board().set_facts(facts_of(config(), addresses_));
  notify_ready(ended->succeeded()
                   ? ready_text()
                   : "Reload failed, the former configuration goes on: " + ended->first_error());
  reload_orders_->ended(*ended);
  if (ends_at_ms_ > 0) {  // stop_accepting() waits for it
    notify_service_manager("STOPPING=1");
    drain_workers();
  } else if (closed_) {
    end_sessions();
  }
  if (std::exchange(reload_again_, false)) reload();
}

}  // namespace lsmtpd::app
