// SPDX-License-Identifier: Apache-2.0
// Requests to the system: cores, descriptors, privileges, signals. [main]
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
// what to change. Where it may, twice that, so that every connection's body can be in a file.
Status raise_descriptor_limit(uint32_t connections);
// How many spilled bodies there may be, so that connections and outputs always find a descriptor.
// After raise_descriptor_limit().
uint64_t descriptors_for_spill(uint32_t connections);

// An error if there is no such user. Empty is fine.
Status check_user(const std::string& user);

// Makes `user` and its group the owner of a file that root has made. Empty, or not root: nothing.
Status give_to_user(const std::string& path, const std::string& user);

// Becomes `user` (and its groups) for good. Empty, or not started as root: does nothing.
Status drop_privileges(const std::string& user);

// Writes to a closed socket or past a file size limit then fail with an error and do not end the
// process.
void ignore_fatal_signals();

// For a daemon whose loop has ended and that still stops its plugins. hold_end_signals() before the
// loop's own handlers go: SIGTERM and SIGINT wait. end_at_once_on_signals() after that: one that
// waited, or that comes, ends the process with kExitOk.
void hold_end_signals();
void end_at_once_on_signals();

// A child that is forked begins with no signal blocked, whatever thread forked it: those of workers
// and of the pool have all of them blocked.
void give_children_a_clean_mask();

// Memory that malloc keeps for later, given back to the system once there is much of it: what a
// flood took does not stay with the daemon for ever.
class SurplusMemory {
 public:
  // Now and then. `in_use` is what the daemon knows to hold; true: something was given back.
  bool give_back(uint64_t in_use);

 private:
  uint64_t least_ = UINT64_MAX;  // the surplus that was there at first, or could not be given back
};
uint64_t resident_memory();

// Whether this process could append to `file`, found out without making it. Empty is fine.
Status check_log_file(const std::string& file);

}  // namespace lsmtpd::app
