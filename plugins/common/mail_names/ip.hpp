// SPDX-License-Identifier: Apache-2.0
// Client addresses and networks, IPv4 and IPv6.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::mail_names {

// An address; IPv4 uses the first four bytes, the others are 0. An IPv4 address that is mapped into
// IPv6 (::ffff:192.0.2.1) is the IPv4 address.
struct Ip {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};

  unsigned bits() const { return v6 ? 128 : 32; }
  // The network of `prefix` bits that the address is in: the bits behind them are 0.
  Ip network(unsigned prefix) const;
  std::string text() const;
  bool operator==(const Ip& other) const { return v6 == other.v6 && bytes == other.bytes; }
};

struct Network {
  Ip address;
  unsigned prefix = 0;
  std::string text() const { return address.text() + "/" + std::to_string(prefix); }
};

// Brackets and "IPv6:" of an address literal are not taken.
std::optional<Ip> parse_ip(std::string_view text);

// "192.0.2.0/24", "2001:db8::/32", or an address alone. `problem` says why there is none, also
// where bits behind the prefix are set.
std::optional<Network> parse_network(std::string_view text, std::string& problem);

}  // namespace lsmtpd::mail_names
