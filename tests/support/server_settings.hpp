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
          .timeouts = {.command = 300'000, .data_idle = 180'000, .session = 0},
          .listeners = {{.name = "mx",
                         .chain = "default",
                         .greet_delay = 0,
                         .smtp = {.hostname = "mx.example.com",
                                  .lmtp = false,
                                  .normalize_bare_lf = false,
                                  .recipients = 1000,
                                  .commands = 1000,
                                  .errors = 20,
                                  .received_headers = 100}}},
          .chains = {{.name = "default", .steps = {}, .deadline = 30'000}}};
}

}  // namespace lsmtpd::test
