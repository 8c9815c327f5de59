// SPDX-License-Identifier: Apache-2.0
// `lsmtpd check --listening`: whether a daemon that runs with this configuration answers. It is the
// health check of the container image. Blocking; uses no plugin and no event loop. [main]
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/network.hpp"
#include "base/result.hpp"

namespace lsmtpd::app {

// How long a listener may take to greet, beside its greet_delay.
inline constexpr uint64_t kGreetingDeadlineMs = 5000;

// Connects to an SMTP server, reads its greeting (RFC 5321 4.2), says QUIT and reads the reply to
// that. Returns the last line of the greeting, without its line end. An error: no connection, or no
// whole greeting within `deadline_ms`, or one that is not SMTP. A reply other than 220 is a
// greeting too: the server answers, though not to this client now. `host` as in a listener's
// address: a name, an address, or "*" for this machine. Where our own address is in
// `proxy_protocol_from` it sends the PROXY header of a health check first. `tls`: the connection
// begins with TLS, whatever the certificate.
Result<std::string> read_greeting(const std::string& host, uint16_t port, uint64_t deadline_ms,
                                  std::span<const Network> proxy_protocol_from = {},
                                  bool tls = false);

// Asks every listener of the configuration and prints a line for each. Returns the exit status
// (daemon.hpp): kExitFailed if one does not answer.
int run_check_listening(const std::string& file);

}  // namespace lsmtpd::app
