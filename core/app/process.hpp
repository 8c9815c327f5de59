// What the process asks of the system: cores, descriptors, privileges, signals. [main]
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace lsmtpd::app {

// Event loops for workers = 0: the cores this process may use, by affinity and by cgroup cpu.max
// (rounded up).
uint32_t allowed_cores();
// The same from a cgroup v2 file's text ("150000 100000", "max 100000"); 0: no limit.
uint32_t cores_of_cpu_max(const std::string& text);

// Raises RLIMIT_NOFILE so that `connections` fit beside what lsmtpd itself needs; an error says
// what to change.
Status raise_descriptor_limit(uint32_t connections);

// Becomes `user` (and its groups) for good. Empty, or not started as root: does nothing.
Status drop_privileges(const std::string& user);

// Writes into sockets and files that are gone or full must fail with an error, not kill.
void ignore_fatal_signals();

// Tells a service manager that waits for it (sd_notify(3)): "READY=1", "STOPPING=1".
void notify_service_manager(const char* state);

}  // namespace lsmtpd::app
