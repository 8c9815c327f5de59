// SPDX-License-Identifier: Apache-2.0
// The service manager's side of the process (sd_notify(3)): states, the text that
// `systemctl status` shows, and the watchdog. Without one, nothing happens. [main]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lsmtpd::app {

// Tells a service manager that waits for it: lines such as "READY=1", "STOPPING=1". Never waits for
// the manager: what it has no room for is kept for notify_what_is_left().
void notify_service_manager(const std::string& state);
// Now and then.
void notify_what_is_left();
// "READY=1" with a text for `systemctl status`. Line ends in the text become blanks.
void notify_ready(std::string_view status);
// A reload begins; notify_ready() ends it. systemd wants the time to know which reload is meant.
void notify_reloading();

// Milliseconds after which the manager ends a process that does not notify; 0: it does not wait for
// this one (WATCHDOG_USEC, WATCHDOG_PID).
uint64_t watchdog_ms();
void notify_watchdog();

// The sockets that the manager passed under this name (LISTEN_FDS, sd_listen_fds(3)): they listen,
// do not block, and stay open as long as the process. An error names those that it passed.
Result<std::vector<int>> passed_sockets(const std::string& name);

}  // namespace lsmtpd::app
