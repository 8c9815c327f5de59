// SPDX-License-Identifier: Apache-2.0
#include "app/daemon.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "app/layer_settings.hpp"
#include "app/process.hpp"
#include "app/settings.hpp"
#include "base/invariant.hpp"
#include "log/log.hpp"
#include "plugin/running.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kTrimMs = 5000;
constexpr uint64_t kConnectionMemory = 2048;  // one that is idle; see test_floods.py

[[maybe_unused]] void report_invariant(const char* expression, const char* file, int line) {
  log::error("invariant_broken", {{"expression", expression}, {"file", file}, {"line", line}});
}

}  // namespace

Daemon::Daemon(const config::Config& config)
    : config_(config),
      workers_wanted_(worker_count(config.server)),
      settings_(server_settings(config)),
      drain_deadline_([this] { end("timeouts.drain passed"); }) {}

Daemon::~Daemon() = default;

int Daemon::run() {
#ifdef NDEBUG
  go_on_after_broken_invariants(report_invariant);
#endif
  ignore_fatal_signals();
  plugin::name_plugin_in_crashes();
  // Until there is a log to reopen; SIGUSR2 has no meaning.
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  if (!prepare()) {
    log::close();
    return kExitUsage;
  }
  auto status = start_instances();
  plugin::refuse_exit();
  if (status) status = start_workers();
  if (status) status = serve();
  if (!status) {
    log::error("cannot_start", {{"why", status.error().message}});
    close_lanes();
    loop_.run();
  }
  stop();
  return status ? kExitOk : kExitFailed;
}

// Everything that `check` looks for too. False: not all of it is there, which has been shown.
bool Daemon::prepare() {
  Diagnostics diagnostics;
  const auto& limits = config_.limits;
  require(raise_descriptor_limit(limits.connections), limits.given["connections"], diagnostics);
  bind(diagnostics);
  if (!has_errors(diagnostics)) {
    require(drop_privileges(config_.server.user), config_.server.given["user"], diagnostics);
  }
  // After privileges were dropped: SIGHUP must be able to open the file again.
  if (!has_errors(diagnostics))
    require(log::open(log_settings(config_.log)), config_.log.given["file"], diagnostics);
  if (!has_errors(diagnostics)) {
    setup_ = std::make_unique<Setup>(config_);
    setup_->load(diagnostics);
  }
  config::sort_by_position(diagnostics);
  show(diagnostics, config_.file);
  return !has_errors(diagnostics);
}

void Daemon::bind(Diagnostics& diagnostics) {
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    const auto status = bind(i);
    const auto& listener = config_.listeners[i];
    if (status) continue;
    require(fail("listener {}: {}", listener.name, status.error().message),
            listener.given["address"], diagnostics);
  }
}

// Every worker has sockets of its own, one for each address of the listener; the first one of a
// listener decides the port where it is 0.
Status Daemon::bind(size_t index) {
  const auto& listener = config_.listeners[index];
  Bound bound{index, {}, {}};
  uint16_t port = listener.port;
  if (auto free = io::try_bind(listener.host, port); !free) return free;
  for (uint32_t worker = 0; worker < workers_wanted_; ++worker) {
    auto sockets = io::bind_all(listener.host, port);
    if (!sockets) return tl::unexpected(sockets.error());
    bound.addresses.clear();
    for (const auto& socket : *sockets) {
      const auto at = io::local_endpoint(socket.get());
      port = at.port;
      bound.addresses.push_back(at.text());
    }
    bound.sockets.push_back(std::move(*sockets));
  }
  bound_.push_back(std::move(bound));
  return {};
}

// Only what a chain uses, as a step or as a step's fallback, is started.
Status Daemon::start_instances() {
  peers_ = std::make_unique<server::Peers>(peer_limits(config_));
  shared_ = std::unique_ptr<server::Shared>(
      new server::Shared{settings_, setup_->resources(), *peers_, {}, {}});
  std::set<std::string> used;
  for (const auto& chain : config_.chains) used.insert(chain.steps.begin(), chain.steps.end());
  for (const auto& entry : config_.plugins) {
    if (used.contains(entry.name) && !entry.fallback.empty()) used.insert(entry.fallback);
  }
  for (const auto& [name, instance] : setup_->instances()) {
    if (!used.contains(name)) continue;
    if (auto status = instance->start(); !status) return status;
    started_.push_back(instance.get());
    shared_->instances[name] = instance.get();
  }
  return {};
}

Status Daemon::start_workers() {
  for (uint32_t i = 0; i < workers_wanted_; ++i) {
    workers_.push_back(std::make_unique<server::Worker>(i, *shared_));
    if (auto status = workers_.back()->start(); !status) return status;
  }
  return {};
}

Status Daemon::listen() {
  for (auto& bound : bound_) {
    for (uint32_t i = 0; i < workers_wanted_; ++i) {
      for (auto& socket : bound.sockets[i]) {
        if (auto status = workers_[i]->listen(bound.listener, std::move(socket)); !status) {
          return fail("listener {}: {}", config_.listeners[bound.listener].name,
                      status.error().message);
        }
      }
    }
    for (const auto& address : bound.addresses) {
      log::info("listening", {{"listener", config_.listeners[bound.listener].name},
                              {"address", address},
                              {"workers", workers_wanted_}});
    }
  }
  return {};
}

// From the first client on a signal means a drain.
Status Daemon::serve() {
  io::Signal term(loop_, SIGTERM, [this] { drain(); });
  io::Signal interrupt(loop_, SIGINT, [this] { drain(); });
  io::Signal hangup(loop_, SIGHUP, [] { log::reopen(); });
  io::Signal user1(loop_, SIGUSR1, [] { log::reopen(); });
  if (auto status = listen(); !status) return status;
  SurplusMemory surplus;
  io::Timer trim(loop_, [&] {
    surplus.give_back(setup_->resources().memory.used() + peers_->count() * kConnectionMemory);
  });
  trim.start(kTrimMs, kTrimMs);
  log::info("ready", {{"version", setup_->process().version}, {"config", config_.file}});
  notify_service_manager("READY=1");
  loop_.run();
  return {};
}

void Daemon::drain() {
  if (draining_) end("a second signal: ending at once");
  draining_ = true;
  log::info("draining", {{"connections", peers_->count()}});
  notify_service_manager("STOPPING=1");
  // 0 is no time at all, but for a deadline it would be no end.
  const uint64_t drain_ms = std::max<uint64_t>(1, config_.timeouts.drain);
  loop_.deadlines().arm(drain_deadline_, drain_ms);
  ends_at_ms_ = loop_.now_ms() + drain_ms;
  workers_left_ = workers_.size();
  for (auto& worker : workers_) {
    worker->drain([this] {
      loop_.post([this] {
        if (--workers_left_ == 0) close_lanes();
      });
    });
  }
}

void Daemon::close_lanes() {
  workers_left_ = workers_.size();
  if (workers_left_ == 0) loop_.stop();
  for (auto& worker : workers_) {
    worker->close_lanes(
        [this] {
          loop_.post([this] {
            if (--workers_left_ == 0) loop_.stop();
          });
        },
        ends_at_ms_);
  }
}

// Out, with whatever is still open: messages without a 250 are the client's to send again.
void Daemon::end(const char* why) {
  std::string busy;
  for (const auto* instance : started_) {
    if (instance->is_busy()) busy += (busy.empty() ? "" : ", ") + instance->name();
  }
  log::warn("ending", {{"why", why}, {"connections", peers_->count()}, {"plugins", busy}});
  log::close();
  std::_Exit(kExitOk);
}

void Daemon::stop() {
  for (auto& worker : workers_) worker->stop();
  for (auto* instance : started_) instance->stop();
  workers_.clear();
  shared_.reset();
  setup_.reset();
  plugin::Library::deinit_all();
  log::info("stopped");
  log::close();
  plugin::allow_exit();
}

}  // namespace lsmtpd::app
