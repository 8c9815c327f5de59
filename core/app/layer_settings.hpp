// SPDX-License-Identifier: Apache-2.0
// From the configuration to what each layer is told, in that layer's own types: nothing below app
// knows the configuration.
#pragma once

#include <cstdint>

#include "app/route_tables.hpp"
#include "config/config.hpp"
#include "log/log.hpp"
#include "server/peers.hpp"
#include "server/settings.hpp"

namespace lsmtpd::app {

// As configured: what makes it the same listener before and after a reload.
std::string listener_address(const config::Listener& listener);
smtp::Settings smtp_settings(const config::Config& config, const config::Listener& listener);
// `tables`: of the chains that have routes.
server::Settings server_settings(const config::Config& config, const RouteTables& tables = {});
// The certificates and settings of [tls]; without certificates there is no TLS.
io::TlsSettings tls_settings(const config::Tls& tls);
server::Peers::Limits peer_limits(const config::Config& config);
log::Options log_settings(const config::Log& log);
// Event loops: server.workers, or the cores that this process may use.
uint32_t worker_count(const config::Server& server);

}  // namespace lsmtpd::app
