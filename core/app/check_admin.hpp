// SPDX-License-Identifier: Apache-2.0
// For `check`: what a start would find of [admin], without a trace on the machine. [main]
#pragma once

#include "app/preflight.hpp"

namespace lsmtpd::app {

// The socket's path and group and the port, as a start binds them before it drops privileges. One
// that a running lsmtpd has is a warning only.
void check_admin_sockets(const config::Config& config, Diagnostics& diagnostics);

// The token, as the user that runs the daemon.
void check_admin_token(const config::Config& config, Diagnostics& diagnostics);

}  // namespace lsmtpd::app
