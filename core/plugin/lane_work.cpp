// SPDX-License-Identifier: Apache-2.0
// Work of a lane on other threads, which ends by itself: offloaded work, and lookups of names.
#include <netinet/in.h>

#include "plugin/lane_extensions.hpp"

namespace lsmtpd::plugin {

int32_t LaneExtensions::offload(const lsmtpd_host* host, lsmtpd_task work, lsmtpd_task done,
                                void* data) {
  if (!given(host, work && done, "offload")) return -1;
  Lane* const open = on_loop(host, "offload");
  if (!open) return -1;
  Instance& instance = open->instance_;
  begin_work(*open);
  const bool taken = open->loop_.offload(
      instance.work_,
      [&instance, work, data] { Lane::guarded(instance, "offloaded work", [&] { work(data); }); },
      [host, &instance, done, data] {
        if (Lane* lane = end_work(host, instance))
          call_back(*lane, "the end of offloaded work", [&] { done(data); });
      });
  if (!taken) end_work(host, instance);
  return taken ? 0 : -1;
}

// The instance lives until its work has ended, and a lane may be gone before: then its plugin has
// closed it too early, and is not called again.
void LaneExtensions::begin_work(Lane& lane) {
  ++lane.instance_.open_work_;
  ++lane.resources_->work;
}

Lane* LaneExtensions::end_work(const lsmtpd_host* host, Instance& instance) {
  Lane* const lane = still_open(host);
  if (lane) --lane->resources_->work;
  --instance.open_work_;
  return lane;
}

// A lane that is asked to close waits for its lookups: those whose turn has not come end at once.
bool LaneExtensions::wants_lookups(const lsmtpd_host* host) {
  auto& self = *static_cast<HostSelf*>(host->self);
  const std::shared_lock lock(self.mutex);
  return self.lane && !self.lane->close_asked_ && !self.lane->is_closed_;
}

int32_t LaneExtensions::resolve(const lsmtpd_host* host, lsmtpd_str name, uint32_t port,
                                lsmtpd_resolved resolved, void* data) {
  if (!given(host, resolved != nullptr, "resolve")) return -1;
  Lane* const open = on_loop(host, "resolve");
  if (!open || port > UINT16_MAX) return -1;
  Instance& instance = open->instance_;
  const auto found = [host, &instance, resolved, data](const Result<io::Addresses>& result) {
    Lane* const lane = end_work(host, instance);
    if (!lane) return;
    std::vector<lsmtpd_address> addresses;
    if (result) {
      for (const auto& a : *result) {
        const auto length = a.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
        addresses.push_back(
            {reinterpret_cast<const sockaddr*>(&a), static_cast<uint32_t>(length), 0});
      }
    }
    const std::string error = result ? "" : result.error().message;
    call_back(*lane, "resolved", [&] {
      resolved(data, str(error), addresses.data(), sizeof(lsmtpd_address),
               static_cast<uint32_t>(addresses.size()));
    });
  };
  begin_work(*open);
  const bool taken = instance.lookups_.ask(
      open->loop_, std::string(view(name)), static_cast<uint16_t>(port),
      [host] { return wants_lookups(host); }, found);
  if (!taken) {
    open->loop_.post([found, &instance] {
      found(
          fail("{} lookups of plugin.{} wait already", io::Lookups::kMostWaiting, instance.name()));
    });
  }
  return 0;
}

}  // namespace lsmtpd::plugin
