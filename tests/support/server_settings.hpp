// SPDX-License-Identifier: Apache-2.0
// The settings of the server in tests: one listener "mx", one chain "default" without steps, and
// the limits of the default configuration.
#pragma once

#include "server/settings.hpp"

namespace lsmtpd::test {

inline server::Settings server_settings() {
  return {.limits = {.message_size = 10u << 20,
                     .unread_replies = 64u << 10,
                     .data_rate = 100,
                     .turn_ns = 500'000},
          .timeouts = {.command = 300'000,
                       .data_idle = 180'000,
                       .session = 0,
                       .proxy = 5000,
                       .tls = 30'000},
          .listeners = {{.name = "mx",
                         .address = "127.0.0.1:0",
                         .chain = "default",
                         .greet_delay = 0,
                         .proxy_protocol_from = {},
                         .tls_by_proxy = false,
                         .xclient_from = {},
                         .auth_plugin = {},
                         .require_auth = false,
                         .traceparent = false,
                         .traceparent_from = {},
                         .smtp = {.hostname = "mx.example.com",
                                  .lmtp = false,
                                  .normalize_bare_lf = false,
                                  .recipients = 1000,
                                  .commands = 1000,
                                  .errors = 20,
                                  .received_headers = 100,
                                  .starttls = false,
                                  .require_tls = false,
                                  .traceparent = false},
                         .implicit_tls = false,
                         .client_certificate = io::ClientCertificate::none}},
          .chains = {{.name = "default",
                      .steps = {},
                      .deadline = 30'000,
                      .defer_other_routes = false,
                      .routes = {},
                      .table = nullptr}}};
}

}  // namespace lsmtpd::test
