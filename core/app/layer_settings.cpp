// SPDX-License-Identifier: Apache-2.0
#include "app/layer_settings.hpp"

#include <fmt/format.h>

#include "app/process.hpp"
#include "config/host.hpp"

namespace lsmtpd::app {

namespace {
constexpr uint32_t kReceivedHeaders = 100;  // RFC 5321 6.3: a limit of at least 100
// Forty busy connections make a turn of 20 ms; what a turn costs by itself is some microseconds.
constexpr uint64_t kTurnNs = 500'000;

io::ClientCertificate wanted(config::ClientCertificate word) {
  switch (word) {
    case config::ClientCertificate::none:
      break;
    case config::ClientCertificate::request:
      return io::ClientCertificate::request;
    case config::ClientCertificate::require:
      return io::ClientCertificate::require;
  }
  return io::ClientCertificate::none;
}
}  // namespace

// With port 0 each listener has an address of its own.
std::string listener_address(const config::Listener& listener) {
  const std::string address = config::format_address(listener.host, listener.port);
  return listener.port || !config::activation_name(listener.host).empty() ||
                 listener.host.starts_with("unix:")
             ? address
             : fmt::format("{} ({})", address, listener.name);
}

smtp::Settings smtp_settings(const config::Config& config, const config::Listener& listener) {
  return {.hostname = config.server.hostname,
          .lmtp = listener.protocol == config::Protocol::lmtp,
          .normalize_bare_lf = listener.bare_lf == config::BareLf::normalize,
          .recipients = config.limits.recipients,
          .commands = config.limits.commands,
          .errors = config.limits.errors,
          .received_headers = kReceivedHeaders,
          .starttls = listener.tls == config::ListenerTls::starttls ||
                      listener.tls == config::ListenerTls::required,
          .require_tls = listener.tls == config::ListenerTls::required,
          .traceparent = !listener.traceparent_from.empty()};
}

server::Settings server_settings(const config::Config& config, const RouteTables& tables) {
  server::Settings settings{.limits = {.message_size = config.limits.message_size,
                                       .unread_replies = config.limits.unread_replies,
                                       .data_rate = config.limits.data_rate,
                                       .turn_ns = kTurnNs},
                            .timeouts = {.command = config.timeouts.command,
                                         .data_idle = config.timeouts.data_idle,
                                         .session = config.timeouts.session,
                                         .proxy = config.timeouts.proxy,
                                         .tls = config.timeouts.tls},
                            .listeners = {},
                            .chains = {}};
  for (const auto& listener : config.listeners) {
    settings.listeners.push_back(
        {.name = listener.name,
         .address = listener_address(listener),
         .chain = listener.chain,
         .greet_delay = listener.greet_delay,
         .proxy_protocol_from = listener.proxy_protocol_from,
         .tls_by_proxy = listener.tls == config::ListenerTls::proxy,
         .xclient_from = listener.xclient_from,
         .auth_plugin = listener.auth == config::Auth::off ? std::string() : listener.auth_plugin,
         .require_auth = listener.auth == config::Auth::required,
         .traceparent = listener.traceparent,
         .traceparent_from = listener.traceparent_from,
         .smtp = smtp_settings(config, listener),
         .implicit_tls = listener.tls == config::ListenerTls::implicit,
         .client_certificate = wanted(listener.client_certificate)});
  }
  for (const auto& chain : config.chains) {
    server::ChainSettings made{.name = chain.name,
                               .steps = chain.steps,
                               .deadline = config.timeouts.chain,
                               .defer_other_routes = chain.route_mix == config::RouteMix::defer,
                               .routes = {},
                               .table = nullptr};
    for (const auto& route : chain.routes) made.routes.push_back({route.name, route.steps});
    const auto table = tables.find(chain.name);
    if (table != tables.end()) made.table = table->second;
    settings.chains.push_back(std::move(made));
  }
  return settings;
}

io::TlsSettings tls_settings(const config::Tls& tls) {
  io::TlsSettings settings{.certificates = {},
                           .only_1_3 = tls.min_version == config::TlsVersion::tls_1_3,
                           .ciphers = tls.ciphers,
                           .ciphersuites = tls.ciphersuites,
                           .groups = tls.groups,
                           .session_tickets = tls.session_tickets,
                           .client_ca = tls.client_ca};
  for (const auto& files : tls.certificates)
    settings.certificates.push_back({files.certificate, files.key});
  return settings;
}

server::Peers::Limits peer_limits(const config::Config& config) {
  const auto& limits = config.limits;
  return {.connections = limits.connections,
          .connections_per_peer = limits.connections_per_peer,
          .prefix_v4 = limits.peer_prefix_v4,
          .prefix_v6 = limits.peer_prefix_v6,
          .exempt = limits.exempt};
}

log::Options log_settings(const config::Log& log) {
  const auto level = log::parse_level(log.level);
  const auto addresses = log.addresses == "domain" ? log::Addresses::domain
                         : log.addresses == "hash" ? log::Addresses::hash
                                                   : log::Addresses::full;
  return {level.value_or(log::Level::info), log.format == "json", log.file, addresses};
}

uint32_t worker_count(const config::Server& server) {
  return server.workers ? server.workers : allowed_cores();
}

}  // namespace lsmtpd::app
