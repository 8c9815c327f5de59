// SPDX-License-Identifier: Apache-2.0
#include "app/settings.hpp"

#include "app/process.hpp"

namespace lsmtpd::app {

log::Options log_settings(const config::Log& log) {
  const auto level = log::parse_level(log.level);
  return {level.value_or(log::Level::info), log.format == "json", log.file};
}

uint32_t worker_count(const config::Server& server) {
  return server.workers ? server.workers : allowed_cores();
}

}  // namespace lsmtpd::app
