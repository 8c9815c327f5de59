// SPDX-License-Identifier: Apache-2.0
// Names and addresses of hosts, as they stand in the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lsmtpd::config {

struct Address {
  std::string host;  // without brackets
  uint16_t port = 0;
};

// "127.0.0.1:2525", "[::1]:25", "*:25", "mx.local:25". Names are not looked up here.
// "systemd:NAME", which is the host then: the socket that a service manager passes.
Result<Address> parse_address(std::string_view text);
std::string format_address(std::string_view host, uint16_t port);
// NAME of "systemd:NAME"; empty: it is another host.
std::string_view activation_name(std::string_view host);
Result<uint16_t> parse_port(std::string_view text);

// True for a domain or an address literal (RFC 5321 4.1.2, 4.1.3), as the banner has it.
bool is_hostname(std::string_view name);

// The machine's own name, or "localhost" if that is_hostname() refuses it.
std::string machine_name();

}  // namespace lsmtpd::config
