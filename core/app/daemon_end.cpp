// SPDX-License-Identifier: Apache-2.0
// Daemon: how it ends.
#include <algorithm>
#include <cstdlib>

#include "app/daemon.hpp"
#include "app/exit_status.hpp"
#include "app/service_manager.hpp"
#include "log/log.hpp"
#include "plugin/running.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kCutOffMs = 500;  // for a worker whose loop is blocked

}  // namespace

// `lsmtpd ctl drain`: what is stored still goes to its output.
Status Daemon::close() {
  const auto phase = admin_.board().phase();
  if (phase == admin::Phase::starting || draining_)
    return fail("the daemon is {}", phase_name(draining_ ? admin::Phase::stopping : phase));
  if (std::exchange(closed_, true)) return {};
  admin_.board().set_phase(admin::Phase::draining);
  log::info("draining", {{"connections", running_.peers->count()}});
  notify_service_manager("STATUS=Takes no mail any more (lsmtpd ctl drain)");
  if (reload_) {
    reload_->cancel();  // reloaded() goes on
  } else {
    end_sessions();
  }
  return {};
}

void Daemon::end_sessions() {
  loop_.deadlines().arm(close_deadline_, std::max<uint64_t>(1, config().timeouts.drain));
  const auto left = std::make_shared<size_t>(workers_.size());
  for (auto& worker : workers_) {
    worker->drain([this, left] {
      loop_.post([this, left] {
        if (--*left > 0) return;
        close_deadline_.disarm();
        log::info("drained");
        drain_orders_->sessions_ended();
      });
    });
  }
}

void Daemon::drain() {
  if (draining_) end("a second signal: ending at once");
  draining_ = true;
  close_deadline_.disarm();
  drain_orders_->stopping();
  admin_.board().set_phase(admin::Phase::draining);
  if (config().timeouts.drain_delay > 0 && !closed_) {
    log::info("drain_delayed", {{"ms", config().timeouts.drain_delay}});
    notify_service_manager("STOPPING=1");
    loop_.deadlines().arm(drain_delay_, config().timeouts.drain_delay);
  } else {
    stop_accepting();
  }
}

void Daemon::stop_accepting() {
  log::info("draining", {{"connections", running_.peers->count()}});
  notify_service_manager("STOPPING=1");
  // 0 is no time at all, but for a deadline it would be no end.
  const uint64_t drain_ms = std::max<uint64_t>(1, config().timeouts.drain);
  loop_.deadlines().arm(drain_deadline_, drain_ms);
  ends_at_ms_ = loop_.now_ms() + drain_ms;
  if (reload_) {
    reload_->cancel();  // reloaded() goes on
  } else {
    drain_workers();
  }
}

void Daemon::drain_workers() {
  workers_left_ = workers_.size();
  for (auto& worker : workers_) {
    worker->drain([this] {
      loop_.post([this] {
        if (--workers_left_ == 0) close_lanes();
      });
    });
  }
}

// Filters that are asked are told to stop, and their clients get a 421; then it ends.
void Daemon::drain_overdue() {
  static constexpr const char* kWhy = "timeouts.drain passed";
  if (std::exchange(cut_off_, true)) end(kWhy);
  loop_.deadlines().arm(drain_deadline_, kCutOffMs);
  workers_to_cut_off_ = workers_.size();
  for (auto& worker : workers_) {
    worker->cut_off([this] {
      loop_.post([this] {
        if (--workers_to_cut_off_ == 0) end(kWhy);
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
  log::warn(
      "ending",
      {{"why", why}, {"connections", running_.peers->count()}, {"plugins", generations_.busy()}});
  log::close();
  std::_Exit(kExitOk);
}

void Daemon::stop() {
  admin_.board().set_phase(admin::Phase::stopping);
  for (auto& worker : workers_) worker->stop();
  auto instances = generations_.stop_all();
  workers_.clear();
  shared_.reset();
  instances.clear();  // before what they share
  process_metrics_.reset();
  running_.configured.reset();
  plugin::Library::deinit_all();
  watchdog_.reset();
  trace_orders_.reset();
  drain_orders_.reset();
  reload_orders_.reset();
  operators_.reset();
  admin_.stop();
  log::info("stopped");
  log::close();
  plugin::allow_exit();
}

}  // namespace lsmtpd::app
