// SPDX-License-Identifier: Apache-2.0
#include "plugin/lane_extensions.hpp"

#include <fcntl.h>

#include <cstddef>
#include <cstring>

#include "log/log.hpp"
#include "plugin/making.hpp"

namespace lsmtpd::plugin {

namespace {

const lsmtpd_loop_1 kLoopTable = {LaneExtensions::now_ms,  LaneExtensions::watch,
                                  LaneExtensions::rewatch, LaneExtensions::unwatch,
                                  LaneExtensions::timer,   LaneExtensions::cancel_timer,
                                  LaneExtensions::defer,   LaneExtensions::post,
                                  LaneExtensions::offload, LaneExtensions::resolve};

const lsmtpd_dns_1 kDnsTable = {LaneExtensions::dns_query, LaneExtensions::dns_cancel};

const lsmtpd_replay_host_1 kReplayHostTable = {LaneExtensions::listed, LaneExtensions::loaded,
                                               LaneExtensions::counted};

const lsmtpd_making_1 kMakingTable = {
    .make = LaneExtensions::make,
    .append = [](lsmtpd_making* m, lsmtpd_str content) -> int32_t {
      return Making::of(m)->append(view(content)) ? 0 : -1;
    },
    .annotate = [](lsmtpd_making* m, lsmtpd_str key, lsmtpd_str value) -> int32_t {
      return Making::of(m)->annotate(view(key), view(value)) ? 0 : -1;
    },
    .drop = [](lsmtpd_making* m) { delete Making::of(m); }};

}  // namespace

const void* LaneExtensions::get(const lsmtpd_host*, const char* id) {
  if (std::strcmp(id, LSMTPD_LOG) == 0) return &kLogTable;
  if (std::strcmp(id, LSMTPD_MEMORY) == 0) return &kMemoryTable;
  if (std::strcmp(id, LSMTPD_METRICS) == 0) return &kMetricsTable;
  if (std::strcmp(id, LSMTPD_LOOP) == 0) return &kLoopTable;
  if (std::strcmp(id, LSMTPD_DNS) == 0) return &kDnsTable;
  if (std::strcmp(id, LSMTPD_REPLAY_HOST) == 0) return &kReplayHostTable;
  if (std::strcmp(id, LSMTPD_MAKING) == 0) return &kMakingTable;
  return message_extension(id);
}

void LaneExtensions::answer(const lsmtpd_host* host, lsmtpd_call call, Completion&& completion) {
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (self.lane) {
    self.lane->calls_.complete_from_any(call, std::move(completion));
    return;
  }
  self.mistakes->note(view(host->name), "call_not_open", "complete after the lane was closed",
                      "the plugin completed a call after its lane was closed");
}

namespace {

void check_size(const lsmtpd_host* host, const lsmtpd_verdict* verdict) {
  if (verdict && verdict->size >= offsetof(lsmtpd_verdict, code)) return;
  static_cast<HostSelf*>(host->self)
      ->mistakes->note(view(host->name), "verdict_without_size", "complete",
                       "set verdict.size to sizeof(lsmtpd_verdict); it counts as TEMPFAIL");
}

}  // namespace

void LaneExtensions::complete(const lsmtpd_host* host, lsmtpd_call call,
                              const lsmtpd_verdict* verdict) {
  check_size(host, verdict);
  answer(host, call, {Verdict::from(verdict)});
}

void LaneExtensions::complete_recipients(const lsmtpd_host* host, lsmtpd_call call,
                                         const lsmtpd_verdict* verdicts, uint32_t stride,
                                         uint32_t count) {
  Completion completion = Completion::make(Kind::tempfail, "not one verdict for each recipient");
  const char* at = reinterpret_cast<const char*>(verdicts);
  if (!verdicts || stride < offsetof(lsmtpd_verdict, code)) count = 0;
  for (uint32_t i = 0; i < count; ++i, at += stride) {
    const auto* verdict = reinterpret_cast<const lsmtpd_verdict*>(at);
    check_size(host, verdict);
    completion.recipients.push_back(Verdict::from(verdict));
  }
  answer(host, call, std::move(completion));
}

void LaneExtensions::lane_closed(const lsmtpd_host* host) {
  Lane* lane = static_cast<HostSelf*>(host->self)->lane;
  if (lane) lane->lane_closed();
}

Lane* LaneExtensions::on_loop(const lsmtpd_host* host, const char* function) {
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (!self.lane || self.lane->is_closed_) return nullptr;
  if (self.lane->loop_.on_thread()) return self.lane;
  self.lane->instance_.mistakes().note(
      view(host->name), "wrong_thread", function,
      "the function is for the lane's loop: get there with post()");
  return nullptr;
}

// A posted task may run when its lane is gone; the host is there as long as the instance.
Lane* LaneExtensions::still_open(const lsmtpd_host* host) {
  Lane* const lane = static_cast<HostSelf*>(host->self)->lane;
  return lane && !lane->is_closed_ ? lane : nullptr;
}

bool LaneExtensions::given(const lsmtpd_host* host, bool there, const char* function) {
  if (there) return true;
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (self.lane) {
    self.lane->instance_.mistakes().note(view(host->name), "null_function", function,
                                         "the plugin gave NULL where a function is needed");
  }
  return false;
}

uint64_t LaneExtensions::now_ms(const lsmtpd_host* host) {
  const Lane* lane = of(host);
  return lane ? lane->loop_.now_ms() : 0;
}

uint64_t LaneExtensions::watch(const lsmtpd_host* host, int32_t fd, uint32_t events,
                               lsmtpd_fd_ready ready, void* data) {
  if (!given(host, ready != nullptr, "watch")) return 0;
  Lane* const open = on_loop(host, "watch");
  if (!open) return 0;
  Lane& lane = *open;
  static_assert(LSMTPD_READABLE == io::Watch::kReadable &&
                LSMTPD_WRITABLE == io::Watch::kWritable && LSMTPD_FD_ERROR == io::Watch::kError);
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!own) return 0;
  auto watch = std::make_unique<io::Watch>(lane.loop_, own.get(), [&lane, ready, data](int seen) {
    call_back(lane, "a watch", [&] { ready(data, static_cast<uint32_t>(seen)); });
  });
  if (!watch->ok()) return 0;
  watch->want(static_cast<int>(events));
  const uint64_t id = lane.resources_->next_id++;
  lane.resources_->watches.emplace(id, Lane::Resources::Watched{std::move(own), std::move(watch)});
  return id;
}

void LaneExtensions::rewatch(const lsmtpd_host* host, uint64_t watch, uint32_t events) {
  do_on_loop(host, "rewatch", [watch, events](Lane& lane) {
    auto& watches = lane.resources_->watches;
    if (const auto found = watches.find(watch); found != watches.end())
      found->second.watch->want(static_cast<int>(events));
  });
}

void LaneExtensions::unwatch(const lsmtpd_host* host, uint64_t watch) {
  do_on_loop(host, "unwatch", [watch](Lane& lane) { lane.resources_->watches.erase(watch); });
}

uint64_t LaneExtensions::timer(const lsmtpd_host* host, uint64_t ms, lsmtpd_task task, void* data) {
  if (!given(host, task != nullptr, "timer")) return 0;
  Lane* const open = on_loop(host, "timer");
  if (!open) return 0;
  Lane& lane = *open;
  const uint64_t id = lane.resources_->next_id++;
  auto timer = std::make_unique<io::Timer>(lane.loop_, [&lane, id, task, data] {
    Lane& owner = lane;  // erasing the timer destroys this closure
    const auto call = task;
    void* const with = data;
    owner.resources_->timers.erase(id);
    call_back(owner, "a timer", [&] { call(with); });
  });
  timer->start(ms);
  lane.resources_->timers.emplace(id, std::move(timer));
  return id;
}

void LaneExtensions::cancel_timer(const lsmtpd_host* host, uint64_t timer) {
  do_on_loop(host, "cancel_timer", [timer](Lane& lane) { lane.resources_->timers.erase(timer); });
}

void LaneExtensions::defer(const lsmtpd_host* host, lsmtpd_task task, void* data) {
  if (!given(host, task != nullptr, "defer")) return;
  do_on_loop(host, "defer", [host, task, data](Lane& at) {
    at.loop_.defer([host, task, data] {
      if (Lane* lane = still_open(host)) call_back(*lane, "a deferred task", [&] { task(data); });
    });
  });
}

int32_t LaneExtensions::post(const lsmtpd_host* host, lsmtpd_task task, void* data) {
  if (!given(host, task != nullptr, "post")) return -1;
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (!self.lane || self.lane->is_closed_) return -1;
  self.lane->loop_.post([host, task, data] {
    if (Lane* lane = still_open(host)) call_back(*lane, "a posted task", [&] { task(data); });
  });
  return 0;
}

void LaneExtensions::listed(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_copy* copies,
                            uint32_t stride, uint32_t count, uint32_t end, uint64_t waiting) {
  Completion completion{Verdict::make(Kind::proceed)};
  completion.storage().end = end != 0;
  completion.storage().waiting = waiting;
  const char* at = reinterpret_cast<const char*>(copies);
  if (!copies || stride < sizeof(lsmtpd_copy)) count = 0;
  for (uint32_t i = 0; i < count; ++i, at += stride) {
    const auto& copy = *reinterpret_cast<const lsmtpd_copy*>(at);
    completion.storage().copies.push_back({std::string(view(copy.copy_id)), copy.time_ns,
                                           copy.bytes, (copy.flags & LSMTPD_COPY_IN_DOUBT) != 0,
                                           (copy.flags & LSMTPD_COPY_EXPIRED) != 0});
  }
  answer(host, call, std::move(completion));
}

void LaneExtensions::counted(const lsmtpd_host* host, lsmtpd_call call, uint64_t count) {
  Completion completion{Verdict::make(Kind::proceed)};
  completion.storage().count = count;
  answer(host, call, std::move(completion));
}

lsmtpd_making* LaneExtensions::make(const lsmtpd_host* host, const lsmtpd_envelope* envelope) {
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  if (!self.lane) return nullptr;
  auto making = Making::begin(envelope, self.lane->loop_, self.process->resources);
  return making ? making.release()->abi() : nullptr;
}

void LaneExtensions::loaded(const lsmtpd_host* host, lsmtpd_call call, lsmtpd_making* message,
                            const lsmtpd_delivery* stored) {
  const std::unique_ptr<Making> making(Making::of(message));
  if (!making) {
    answer(host, call, Completion::make(Kind::tempfail, "loaded without a message"));
    return;
  }
  auto result = making->finish();
  if (!result) {
    answer(host, call, Completion::make(Kind::tempfail, result.error().message));
    return;
  }
  Completion completion{Verdict::make(Kind::proceed)};
  completion.message = std::move(*result);
  if (stored && stored->size >= sizeof(lsmtpd_delivery)) {
    completion.storage().stored.target = view(stored->target);
    completion.storage().stored.reason = view(stored->reason);
    completion.storage().stored.attempts = stored->attempts;
    completion.storage().stored.in_doubt = (stored->flags & LSMTPD_DELIVERY_IN_DOUBT) != 0;
  }
  answer(host, call, std::move(completion));
}

}  // namespace lsmtpd::plugin
