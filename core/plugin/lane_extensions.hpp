// SPDX-License-Identifier: Apache-2.0
// What a lane's plugin reaches through its host struct: the functions behind the tables, each a
// cast and a call.
#pragma once

#include <unordered_map>

#include "log/log.hpp"
#include "plugin/lane.hpp"
#include "plugin/thrown.hpp"

namespace lsmtpd::plugin {

struct Lane::Resources {
  uint64_t next_id = 1;
  std::unordered_map<uint64_t, std::unique_ptr<io::Watch>> watches;
  std::unordered_map<uint64_t, std::unique_ptr<io::Timer>> timers;

  void clear() {
    watches.clear();
    timers.clear();
  }
};

// Calls into the plugin; false when it threw.
template <class Function>
bool Lane::guarded(const char* what, Function&& function) {
  try {
    function();
    return true;
  } catch (...) {
    log::error("plugin_threw", {{"plugin", name()}, {"in", what}, {"what", thrown()}});
  }
  return false;
}

struct LaneExtensions {
  static const void* get(const lsmtpd_host* host, const char* id);
  static void complete(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_verdict* verdict);
  static void lane_closed(const lsmtpd_host* host);

  // lsmtpd.loop/1
  static uint64_t now_ms(const lsmtpd_host* host);
  static uint64_t watch(const lsmtpd_host* host, int32_t fd, uint32_t events, lsmtpd_fd_ready ready,
                        void* data);
  static void rewatch(const lsmtpd_host* host, uint64_t watch, uint32_t events);
  static void unwatch(const lsmtpd_host* host, uint64_t watch);
  static uint64_t timer(const lsmtpd_host* host, uint64_t ms, lsmtpd_task task, void* data);
  static void cancel_timer(const lsmtpd_host* host, uint64_t timer);
  static void defer(const lsmtpd_host* host, lsmtpd_task task, void* data);
  static int32_t post(const lsmtpd_host* host, lsmtpd_task task, void* data);
  static int32_t offload(const lsmtpd_host* host, lsmtpd_task work, lsmtpd_task done, void* data);
  static int32_t resolve(const lsmtpd_host* host, lsmtpd_str name, uint32_t port,
                         lsmtpd_resolved resolved, void* data);

  // lsmtpd.replay_host/1
  static void listed(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_str* copy_ids,
                     uint32_t count, uint32_t end);
  static const lsmtpd_message* make(const lsmtpd_host* host, const lsmtpd_envelope* envelope);
  static void loaded(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_message* message,
                     lsmtpd_str target);

  static Lane& of(const lsmtpd_host* host) { return *static_cast<HostSelf*>(host->self)->lane; }
  // Runs a plugin's callback, whatever it throws.
  template <class Function>
  static void call_back(Lane& lane, const char* what, Function&& function) {
    lane.guarded(what, std::forward<Function>(function));
  }
};

}  // namespace lsmtpd::plugin
