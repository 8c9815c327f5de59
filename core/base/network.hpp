// SPDX-License-Identifier: Apache-2.0
// A network in CIDR notation, as lists of trusted or exempt peers have it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lsmtpd {

struct Network {
  bool v6 = false;
  std::array<uint8_t, 16> address{};  // in network byte order; IPv4 has the first four octets
  uint8_t bits = 0;                   // length of the prefix: at most 32 (IPv4) or 128 (IPv6)

  // An IPv4-mapped IPv6 address ("::ffff:192.0.2.1") counts as the IPv4 address. Returns false for
  // text that is not an address.
  bool contains(std::string_view address_text) const;

  bool operator==(const Network&) const = default;
};

// "192.0.2.0/24", "2001:db8::/32", or one address: "192.0.2.1". An address with bits set behind the
// prefix is an error that names the network of the address.
Result<Network> parse_network(std::string_view text);
std::string format_network(const Network& network);

bool any_contains(std::span<const Network> networks, std::string_view address_text);

// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53" or "[2001:db8::53]:5353" as ADDRESS:PORT, IPv6 in
// brackets. Names are refused.
Result<std::string> parse_socket_address(std::string_view text, uint16_t default_port);
// `address` is an in_addr or an in6_addr.
std::string format_socket_address(int family, const void* address, uint16_t port);

}  // namespace lsmtpd
