// SPDX-License-Identifier: Apache-2.0
#include "plugin/lane_extensions.hpp"

#include <netinet/in.h>

#include <cstddef>
#include <cstring>

#include "log/log.hpp"

namespace lsmtpd::plugin {

namespace {

const lsmtpd_loop_1 loop_table = {LaneExtensions::now_ms,  LaneExtensions::watch,
                                  LaneExtensions::rewatch, LaneExtensions::unwatch,
                                  LaneExtensions::timer,   LaneExtensions::cancel_timer,
                                  LaneExtensions::defer,   LaneExtensions::post,
                                  LaneExtensions::offload, LaneExtensions::resolve};

const lsmtpd_replay_host_1 replay_host_table = {LaneExtensions::listed, LaneExtensions::make,
                                                LaneExtensions::loaded};

}  // namespace

const void* LaneExtensions::get(const lsmtpd_host*, const char* id) {
  if (std::strcmp(id, LSMTPD_LOG) == 0) return &log_table;
  if (std::strcmp(id, LSMTPD_MEMORY) == 0) return &memory_table;
  if (std::strcmp(id, LSMTPD_MESSAGE) == 0) return &View::table;
  if (std::strcmp(id, LSMTPD_LOOP) == 0) return &loop_table;
  if (std::strcmp(id, LSMTPD_REPLAY_HOST) == 0) return &replay_host_table;
  return nullptr;
}

void LaneExtensions::complete(const lsmtpd_host* host, lsmtpd_call call,
                              const lsmtpd_verdict* verdict) {
  if (!verdict || verdict->size < offsetof(lsmtpd_verdict, code)) {
    log::error("verdict_without_size",
               {{"plugin", view(host->name)},
                {"hint", "set verdict.size to sizeof(lsmtpd_verdict); it counts as TEMPFAIL"}});
  }
  of(host).take_from_any(call, {Verdict::from(verdict), {}, {}, {}, false});
}

void LaneExtensions::lane_closed(const lsmtpd_host* host) {
  of(host).lane_closed();
}

uint64_t LaneExtensions::now_ms(const lsmtpd_host* host) {
  return of(host).loop_.now_ms();
}

uint64_t LaneExtensions::watch(const lsmtpd_host* host, int32_t fd, uint32_t events,
                               lsmtpd_fd_ready ready, void* data) {
  Lane& lane = of(host);
  if (lane.is_closed_) return 0;
  static_assert(LSMTPD_READABLE == io::Watch::kReadable &&
                LSMTPD_WRITABLE == io::Watch::kWritable && LSMTPD_FD_ERROR == io::Watch::kError);
  auto watch = std::make_unique<io::Watch>(lane.loop_, fd, [&lane, ready, data](int seen) {
    call_back(lane, "a watch", [&] { ready(data, static_cast<uint32_t>(seen)); });
  });
  if (!watch->ok()) return 0;
  watch->want(static_cast<int>(events));
  const uint64_t id = lane.resources_->next_id++;
  lane.resources_->watches.emplace(id, std::move(watch));
  return id;
}

void LaneExtensions::rewatch(const lsmtpd_host* host, uint64_t watch, uint32_t events) {
  auto& watches = of(host).resources_->watches;
  if (const auto found = watches.find(watch); found != watches.end())
    found->second->want(static_cast<int>(events));
}

void LaneExtensions::unwatch(const lsmtpd_host* host, uint64_t watch) {
  of(host).resources_->watches.erase(watch);
}

uint64_t LaneExtensions::timer(const lsmtpd_host* host, uint64_t ms, lsmtpd_task task, void* data) {
  Lane& lane = of(host);
  if (lane.is_closed_) return 0;
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
  of(host).resources_->timers.erase(timer);
}

void LaneExtensions::defer(const lsmtpd_host* host, lsmtpd_task task, void* data) {
  Lane& lane = of(host);
  lane.loop_.defer([&lane, task, data] {
    if (!lane.is_closed_) call_back(lane, "a deferred task", [&] { task(data); });
  });
}

int32_t LaneExtensions::post(const lsmtpd_host* host, lsmtpd_task task, void* data) {
  Lane& lane = of(host);
  if (lane.is_closed_) return -1;
  lane.loop_.post([&lane, task, data] {
    if (!lane.is_closed_) call_back(lane, "a posted task", [&] { task(data); });
  });
  return 0;
}

int32_t LaneExtensions::offload(const lsmtpd_host* host, lsmtpd_task work, lsmtpd_task done,
                                void* data) {
  Lane& lane = of(host);
  if (lane.is_closed_) return -1;
  lane.loop_.offload(
      [&lane, work, data] { call_back(lane, "offloaded work", [&] { work(data); }); },
      [&lane, done, data] { call_back(lane, "the end of offloaded work", [&] { done(data); }); });
  return 0;
}

int32_t LaneExtensions::resolve(const lsmtpd_host* host, lsmtpd_str name, uint32_t port,
                                lsmtpd_resolved resolved, void* data) {
  Lane& lane = of(host);
  if (lane.is_closed_ || port > UINT16_MAX) return -1;
  lane.loop_.resolve(
      std::string(view(name)), static_cast<uint16_t>(port),
      [&lane, resolved, data](Result<std::vector<sockaddr_storage>> result) {
        std::vector<lsmtpd_address> addresses;
        if (result) {
          for (const auto& a : *result) {
            const auto length =
                a.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
            addresses.push_back(
                {reinterpret_cast<const sockaddr*>(&a), static_cast<uint32_t>(length), 0});
          }
        }
        const std::string error = result ? "" : result.error().message;
        call_back(lane, "resolved", [&] {
          resolved(data, str(error), addresses.data(), static_cast<uint32_t>(addresses.size()));
        });
      });
  return 0;
}

void LaneExtensions::listed(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_str* copy_ids,
                            uint32_t count, uint32_t end) {
  Completion completion{Verdict::make(Kind::proceed), {}, {}, {}, end != 0};
  for (uint32_t i = 0; i < count; ++i) completion.copy_ids.emplace_back(view(copy_ids[i]));
  of(host).take_from_any(call, std::move(completion));
}

const lsmtpd_message* LaneExtensions::make(const lsmtpd_host* host,
                                           const lsmtpd_envelope* envelope) {
  Lane& lane = of(host);
  if (!envelope || envelope->size < sizeof(lsmtpd_envelope)) return nullptr;
  auto& resources = static_cast<HostSelf*>(host->self)->process->resources;
  message::Message message;
  auto copy = to_envelope(*envelope);
  Reservation memory(resources.memory);
  if (!memory.reserve(message::memory_of(copy))) return nullptr;
  message.envelope = hold_reserved(std::move(copy), std::move(memory));
  message.body = message::BodyWriter(resources).finish();
  return View::make(message, View::Rights::build, lane.loop_, resources)->abi();
}

void LaneExtensions::loaded(const lsmtpd_host* host, lsmtpd_call call,
                            const lsmtpd_message* message, lsmtpd_str target) {
  if (!message) {
    of(host).take_from_any(
        call, {Verdict::make(Kind::tempfail, "loaded without a message"), {}, {}, {}, false});
    return;
  }
  auto* built = const_cast<View*>(View::of(message));
  auto result = built->finish_building();
  built->unpin();
  Completion completion;
  completion.verdict =
      result ? Verdict::make(Kind::proceed) : Verdict::make(Kind::tempfail, result.error().message);
  if (result) completion.message = std::move(*result);
  completion.target = view(target);
  of(host).take_from_any(call, std::move(completion));
}

}  // namespace lsmtpd::plugin
