// SPDX-License-Identifier: Apache-2.0
// The metrics of the core: names, labels and help, in one place, as docs/operations.md lists them.
// Base units (seconds, bytes); a name never changes once it was released.
#pragma once

#include <array>

#include "metrics/registry.hpp"

namespace lsmtpd::metrics {

namespace labels {
inline constexpr std::array<std::string_view, 1> kListener{"listener"};
inline constexpr std::array<std::string_view, 1> kPlugin{"plugin"};
inline constexpr std::array<std::string_view, 1> kAccount{"account"};
inline constexpr std::array<std::string_view, 1> kVersion{"version"};
inline constexpr std::array<std::string_view, 2> kListenerResult{"listener", "result"};
inline constexpr std::array<std::string_view, 3> kMessage{"listener", "chain", "result"};
inline constexpr std::array<std::string_view, 2> kListenerChain{"listener", "chain"};
inline constexpr std::array<std::string_view, 3> kHandshake{"listener", "version", "result"};
inline constexpr std::array<std::string_view, 2> kAttempt{"mechanism", "result"};
inline constexpr std::array<std::string_view, 1> kCertificate{"certificate"};
inline constexpr std::array<std::string_view, 4> kRefusal{"listener", "phase", "class", "reason"};
}  // namespace labels

namespace bounds {
// Plugins, and a whole chain: seconds.
inline constexpr std::array kCall{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};
// The content of a message, which comes as fast as the client's line is.
inline constexpr std::array kData{0.005, 0.01, 0.025, 0.05, 0.1,  0.25,  0.5,
                                  1.0,   2.5,  5.0,   10.0, 30.0, 120.0, 600.0};
}  // namespace bounds

inline constexpr Family kBuildInfo{"lsmtpd_build_info", "Always 1; the version is its label.",
                                   Type::gauge, labels::kVersion};
inline constexpr Family kConnections{"lsmtpd_connections", "Connections that are open.",
                                     Type::gauge, labels::kListener};
inline constexpr Family kConnectionsTotal{
    "lsmtpd_connections_total",
    "Connections that came, by result: accepted, or refused for a limit of connections.",
    Type::counter, labels::kListenerResult};
inline constexpr Family kMessages{
    "lsmtpd_messages_total",
    "Messages whose content was complete, by result: stored, discarded, rejected, tempfail, or "
    "mixed (some recipients only); cancelled: the client left first.",
    Type::counter, labels::kMessage};
inline constexpr Family kRefusals{
    "lsmtpd_refusals_total",
    "Commands, recipients and messages that were refused, by phase of the dialogue, class of the "
    "reply (4: try again, 5: for good) and reason.",
    Type::counter, labels::kRefusal};
inline constexpr Family kReceivedBytes{"lsmtpd_received_bytes_total",
                                       "Bytes of content of complete messages, without "
                                       "dot-stuffing.",
                                       Type::counter, labels::kListener};
inline constexpr Family kDataDuration{
    "lsmtpd_data_duration_seconds",
    "Time from MAIL to the end of the content, of complete messages.", Type::histogram,
    labels::kListener, bounds::kData};
inline constexpr Family kChainDuration{
    "lsmtpd_chain_duration_seconds",
    "Time from the end of the content to the outcome of all filters and outputs.", Type::histogram,
    labels::kListenerChain, bounds::kCall};
inline constexpr Family kPluginDuration{
    "lsmtpd_plugin_duration_seconds",
    "Time that a plugin took for one answer to a filter's, session filter's or output's call.",
    Type::histogram, labels::kPlugin, bounds::kCall};
inline constexpr Family kMemory{
    "lsmtpd_memory_bytes",
    "Bytes reserved of a limit: memory (limits.memory), spill (limits.spill), tls_memory "
    "(limits.tls_memory).",
    Type::gauge, labels::kAccount};
inline constexpr Family kMemoryLimit{"lsmtpd_memory_limit_bytes",
                                     "The limit itself, by the same accounts.", Type::gauge,
                                     labels::kAccount};
inline constexpr Family kTlsSessions{"lsmtpd_tls_sessions", "TLS sessions whose handshake is done.",
                                     Type::gauge, labels::kListener};
inline constexpr Family kTlsHandshakes{
    "lsmtpd_tls_handshakes_total",
    "TLS handshakes, by version of the protocol and result: ok, failed (of version none), or "
    "no_room (in limits.tls_memory).",
    Type::counter, labels::kHandshake};
inline constexpr Family kCertificateEnd{
    "lsmtpd_tls_certificate_not_after_timestamp_seconds",
    "When the certificate in that file expires, in seconds since the epoch.", Type::gauge,
    labels::kCertificate};
inline constexpr Family kAuthAttempts{
    "lsmtpd_auth_attempts_total",
    "Credentials that were given, by mechanism and result: ok, wrong, unavailable (the plugin gave "
    "no answer), or limited (too many wrong ones of that peer).",
    Type::counter, labels::kAttempt};
inline constexpr Family kLogDropped{"lsmtpd_log_lines_dropped_total",
                                    "Log lines that found no room or could not be written.",
                                    Type::counter};
inline constexpr Family kReloadSuccessful{"lsmtpd_config_last_reload_successful",
                                          "1 if the last load of the configuration succeeded.",
                                          Type::gauge};
inline constexpr Family kReloadTime{
    "lsmtpd_config_last_reload_success_timestamp_seconds",
    "When a configuration was last loaded with success, in seconds since the epoch.", Type::gauge};

}  // namespace lsmtpd::metrics
