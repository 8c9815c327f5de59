// SPDX-License-Identifier: Apache-2.0
#include "app/manager_watchdog.hpp"

#include <algorithm>

#include "app/service_manager.hpp"

namespace lsmtpd::app {

// A third of the time: one answer may be late without harm.
ManagerWatchdog::ManagerWatchdog(io::Loop& loop, Workers& workers)
    : loop_(loop), workers_(workers), timer_(loop, [this] { ask(); }) {
  if (const uint64_t ms = watchdog_ms()) {
    const uint64_t pause = std::max<uint64_t>(1, ms / 3);
    timer_.start(pause, pause);
  }
}

// The manager hears of it when the last one has answered; meanwhile nobody is asked again.
void ManagerWatchdog::ask() {
  if (*waits_for_ > 0) return;
  *waits_for_ = workers_.size();
  for (const auto& worker : workers_) {
    worker->ping([&loop = loop_, waits_for = waits_for_] {
      loop.post([waits_for] {
        if (--*waits_for == 0) notify_watchdog();
      });
    });
  }
}

}  // namespace lsmtpd::app
