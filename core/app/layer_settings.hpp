// SPDX-License-Identifier: Apache-2.0
// From the configuration to what each layer is told, in that layer's own types: nothing below app
// knows the configuration.
#pragma once

#include "config/config.hpp"
#include "server/peers.hpp"
#include "server/settings.hpp"

namespace lsmtpd::app {

smtp::Settings smtp_settings(const config::Config& config, const config::Listener& listener);
server::Settings server_settings(const config::Config& config);
server::Peers::Limits peer_limits(const config::Config& config);

}  // namespace lsmtpd::app
