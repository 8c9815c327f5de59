// SPDX-License-Identifier: Apache-2.0
#include "app/layer_settings.hpp"

namespace lsmtpd::app {

namespace {
constexpr uint32_t kReceivedHeaders = 100;  // RFC 5321 6.3: a limit of at least 100
// Forty busy connections make a turn of 20 ms; what a turn costs by itself is some microseconds.
constexpr uint64_t kTurnNs = 500'000;
}  // namespace

smtp::Settings smtp_settings(const config::Config& config, const config::Listener& listener) {
  return {.hostname = config.server.hostname,
          .lmtp = listener.protocol == config::Protocol::lmtp,
          .normalize_bare_lf = listener.bare_lf == config::BareLf::normalize,
          .recipients = config.limits.recipients,
          .commands = config.limits.commands,
          .errors = config.limits.errors,
          .received_headers = kReceivedHeaders};
}

server::Settings server_settings(const config::Config& config) {
  server::Settings settings{.limits = {.message_size = config.limits.message_size,
                                       .unread_replies = config.limits.unread_replies,
                                       .data_rate = config.limits.data_rate,
                                       .turn_ns = kTurnNs},
                            .timeouts = {.command = config.timeouts.command,
                                         .data_idle = config.timeouts.data_idle,
                                         .session = config.timeouts.session},
                            .listeners = {},
                            .chains = {}};
  for (const auto& listener : config.listeners) {
    settings.listeners.push_back({.name = listener.name,
                                  .chain = listener.chain,
                                  .greet_delay = listener.greet_delay,
                                  .smtp = smtp_settings(config, listener)});
  }
  for (const auto& chain : config.chains) {
    settings.chains.push_back({chain.name, chain.steps, config.timeouts.chain});
  }
  return settings;
}

server::Peers::Limits peer_limits(const config::Config& config) {
  const auto& limits = config.limits;
  return {.connections = limits.connections,
          .connections_per_peer = limits.connections_per_peer,
          .prefix_v4 = limits.peer_prefix_v4,
          .prefix_v6 = limits.peer_prefix_v6};
}

}  // namespace lsmtpd::app
