// SPDX-License-Identifier: Apache-2.0
// Requirements of a start on the machine: descriptors, addresses, the user. `check` and a start
// both report those that are not met, at their place in the configuration. [main]
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace lsmtpd::app {

using Diagnostics = std::vector<config::Diagnostic>;

// Adds an error at `at` where `status` is one.
void require(const Status& status, config::Position at, Diagnostics& diagnostics);

// As a start does before it drops privileges: descriptors for all connections, and that each
// listener's address can be bound. One that a running lsmtpd listens on is a warning only. Nothing
// stays bound.
void check_machine(const config::Config& config, Diagnostics& diagnostics);

// Two spools in one directory: the second would find it locked at a start.
void check_spool_directories(const config::Config& config, Diagnostics& diagnostics);

// Becomes the user that will run the daemon, if this process is root: `user`, or server.user where
// that is empty. A warning where neither is set. The rest of the check then sees what that user may
// read and write.
void become_daemon_user(const config::Config& config, const std::string& user,
                        Diagnostics& diagnostics);

// The process that listens on TCP port `port`: its name and number, as "lsmtpd (pid 7)". Empty
// where this user cannot find out.
std::string process_that_listens_on(uint16_t port);

}  // namespace lsmtpd::app
