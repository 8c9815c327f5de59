// SPDX-License-Identifier: Apache-2.0
// The functions that a lane's plugin reaches through its host struct, each a cast and a call.
#pragma once

#include <unordered_map>

#include "base/unique_fd.hpp"
#include "io/dns.hpp"
#include "log/log.hpp"
#include "plugin/lane.hpp"
#include "plugin/running.hpp"
#include "plugin/thrown.hpp"

namespace lsmtpd::plugin {

struct Lane::Resources {
  uint64_t next_id = 1;
  // Of a duplicate, so that the plugin may close its own at any time.
  struct Watched {
    UniqueFd fd;
    std::unique_ptr<io::Watch> watch;  // goes before the descriptor
  };
  std::unordered_map<uint64_t, Watched> watches;
  std::unordered_map<uint64_t, std::unique_ptr<io::Timer>> timers;
  uint32_t work = 0;                     // offloaded, and lookups
  std::unique_ptr<io::DnsResolver> dns;  // made when the plugin first asks

  void clear() {
    watches.clear();
    timers.clear();
    dns = nullptr;
  }
};

// Calls into the plugin; false when it threw. [any]
template <class Function>
bool Lane::guarded(Instance& instance, const char* what, Function&& function, uint64_t* took_ms) {
  const Running running(instance.lasting_name(), what);
  bool whole = true;
  try {
    function();
  } catch (...) {
    instance.mistakes().note(instance.name(), "plugin_threw", fmt::format("{}: {}", what, thrown()),
                             "report it to the plugin's author");
    whole = false;
  }
  if (took_ms) *took_ms = running.elapsed_ms();
  return whole;
}

// The same on the loop, where the others wait meanwhile.
template <class Function>
bool Lane::guarded(const char* what, Function&& function) {
  uint64_t ms = 0;
  const bool whole = guarded(instance_, what, std::forward<Function>(function), &ms);
  if (ms > kBlockedMs) blocked(what, ms);
  return whole;
}

struct LaneExtensions {
  static const void* get(const lsmtpd_host* host, const char* id);
  static void complete(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_verdict* verdict);
  static void complete_recipients(const lsmtpd_host* host, lsmtpd_call call,
                                  const lsmtpd_verdict* verdicts, uint32_t stride, uint32_t count);
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

  // lsmtpd.dns/1
  static uint64_t dns_query(const lsmtpd_host* host, lsmtpd_str name, uint32_t type,
                            uint64_t deadline_ms, lsmtpd_dns_done done, void* data);
  static void dns_cancel(const lsmtpd_host* host, uint64_t query);

  // lsmtpd.replay_host/1, lsmtpd.making/1
  static void listed(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_copy* copies,
                     uint32_t stride, uint32_t count, uint32_t end, uint64_t waiting);
  static void counted(const lsmtpd_host* host, lsmtpd_call call, uint64_t count);
  static lsmtpd_making* make(const lsmtpd_host* host, const lsmtpd_envelope* envelope);
  static void loaded(const lsmtpd_host* host, lsmtpd_call call, lsmtpd_making* message,
                     const lsmtpd_delivery* stored);

  // The lane of a function that is [loop]; null, and said so, on another thread; null too once the
  // lane is closed.
  static Lane* on_loop(const lsmtpd_host* host, const char* function);
  static Lane* still_open(const lsmtpd_host* host);  // [loop]
  // The same, but on another thread `task(lane)` is posted to the loop.
  template <class Task>
  static void do_on_loop(const lsmtpd_host* host, const char* function, Task&& task);
  // Around what a lane waits for that ends by itself. The lane, where it is still open.
  static void begin_work(Lane& lane);
  static Lane* end_work(const lsmtpd_host* host, Instance& instance);
  // False, and said so: a function of the plugin's that is needed is NULL.
  static bool given(const lsmtpd_host* host, bool there, const char* function);
  static bool wants_lookups(const lsmtpd_host* host);  // [any]

  // [loop] The lane; null once it is closed: the plugin may use the host still.
  static Lane* of(const lsmtpd_host* host) {
    Lane* lane = static_cast<HostSelf*>(host->self)->lane;
    return lane && !lane->is_closed_ ? lane : nullptr;
  }
  // [any] Hands an answer to the lane, if it is there still.
  static void answer(const lsmtpd_host* host, lsmtpd_call call, Completion&& completion);
  // Runs a plugin's callback, whatever it throws.
  template <class Function>
  static void call_back(Lane& lane, const char* what, Function&& function) {
    lane.guarded(what, std::forward<Function>(function));
  }
};

template <class Task>
void LaneExtensions::do_on_loop(const lsmtpd_host* host, const char* function, Task&& task) {
  if (Lane* lane = on_loop(host, function)) return task(*lane);
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (!self.lane || self.lane->is_closed_ || self.lane->loop_.on_thread()) return;
  self.lane->loop_.post([host, task = std::forward<Task>(task)] {
    if (Lane* lane = still_open(host)) task(*lane);
  });
}

}  // namespace lsmtpd::plugin
