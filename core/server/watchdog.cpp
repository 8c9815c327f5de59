// SPDX-License-Identifier: Apache-2.0
#include "server/watchdog.hpp"

#include <chrono>
#include <csignal>
#include <utility>

#include "log/log.hpp"

namespace lsmtpd::server {

namespace {

constexpr uint64_t kLooks = 8;  // in the time after which a loop counts as stuck

// Since when the loop has not turned, or, where none runs, since when the thread is in a plugin's
// function; 0: neither.
uint64_t still_since(const Heartbeat& heartbeat, const Heartbeat::Place& place) {
  const uint64_t beat = heartbeat.beat_ms();
  return beat != 0 ? beat : place.plugin ? place.since_ms : 0;
}

void log_stuck(const std::optional<uint32_t>& worker, const Heartbeat::Place& place, uint64_t ms) {
  const std::string_view plugin = place.plugin ? place.plugin : "";
  const std::string_view in = place.plugin ? place.function : "lsmtpd";
  const std::string_view hint =
      place.plugin ? "its connections wait: the plugin must offload such work" : "";
  if (worker) {
    log::error("loop_stuck",
               {{"worker", *worker}, {"plugin", plugin}, {"in", in}, {"ms", ms}, {"hint", hint}});
  } else {
    log::error("loop_stuck",
               {{"thread", "main"}, {"plugin", plugin}, {"in", in}, {"ms", ms}, {"hint", hint}});
  }
}

void log_turns_again(const std::optional<uint32_t>& worker, const Heartbeat::Place& place,
                     uint64_t ms) {
  const std::string_view plugin = place.plugin ? place.plugin : "";
  const std::string_view in = place.plugin ? place.function : "lsmtpd";
  if (worker) {
    log::warn("loop_turns_again",
              {{"worker", *worker}, {"plugin", plugin}, {"in", in}, {"ms", ms}});
  } else {
    log::warn("loop_turns_again", {{"thread", "main"}, {"plugin", plugin}, {"in", in}, {"ms", ms}});
  }
}

}  // namespace

// Signals belong to the main thread's loop.
Watchdog::Watchdog(uint64_t stuck_ms) : stuck_ms_(stuck_ms) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void Watchdog::watch(std::optional<uint32_t> worker, std::shared_ptr<const Heartbeat> heartbeat) {
  std::lock_guard lock(mutex_);
  all_.push_back({worker, std::move(heartbeat)});
}

// A look that comes late says nothing about the loops: the whole process was stopped, or the
// machine had no time for it, and the loops may go on now.
void Watchdog::run() {
  const std::chrono::milliseconds pause(stuck_ms_ / kLooks);
  uint64_t last = Heartbeat::now_ms();
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, pause, [this] { return ends_; })) {
    const uint64_t now = Heartbeat::now_ms();
    const bool late = now - std::exchange(last, now) > stuck_ms_ / 2;
    if (late) continue;
    for (auto& watched : all_) look(watched, now);
  }
}

void Watchdog::look(Watched& watched, uint64_t now_ms) const {
  const auto place = watched.heartbeat->place();
  const uint64_t since = still_since(*watched.heartbeat, place);
  if (watched.since_ms != 0) {
    if (since == watched.since_ms) return;
    log_turns_again(watched.worker, watched.place, now_ms - watched.since_ms);
    watched.since_ms = 0;
  }
  if (since == 0 || since > now_ms || now_ms - since < stuck_ms_) return;
  watched.since_ms = since;
  watched.place = place;
  log_stuck(watched.worker, place, now_ms - since);
}

}  // namespace lsmtpd::server
