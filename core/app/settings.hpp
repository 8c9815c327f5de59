// SPDX-License-Identifier: Apache-2.0
// From the configuration to the settings of each layer: only app knows both. What a layer needs is
// a struct of that layer and a function here.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

log::Options log_settings(const config::Log& log);

// Event loops: server.workers, or the cores that this process may use.
uint32_t worker_count(const config::Server& server);

}  // namespace lsmtpd::app
