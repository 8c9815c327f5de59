// SPDX-License-Identifier: Apache-2.0
#include "base/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace lsmtpd {
namespace {

constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Address {
  bool v6 = false;
  std::array<uint8_t, 16> octets{};
};

std::optional<Address> parse_address_text(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  Address address;
  if (::inet_pton(AF_INET, copy.c_str(), address.octets.data()) == 1) return address;
  address.v6 = true;
  if (::inet_pton(AF_INET6, copy.c_str(), address.octets.data()) == 1) return address;
  return std::nullopt;
}

std::array<uint8_t, 16> masked(std::array<uint8_t, 16> octets, unsigned bits) {
  for (unsigned i = 0; i < octets.size(); ++i) {
    const unsigned kept = bits > 8 * i ? std::min(8u, bits - 8 * i) : 0;
    octets[i] = static_cast<uint8_t>(octets[i] & (0xff00u >> kept));
  }
  return octets;
}

}  // namespace

bool Network::contains(std::string_view address_text) const {
  auto other = parse_address_text(address_text);
  if (!other) return false;
  if (other->v6 && !v6 && std::equal(kMapped.begin(), kMapped.end(), other->octets.begin())) {
    std::rotate(other->octets.begin(), other->octets.begin() + kMapped.size(), other->octets.end());
    other->v6 = false;
  }
  return other->v6 == v6 && masked(other->octets, bits) == address;
}

Result<Network> parse_network(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const auto address = parse_address_text(text.substr(0, slash));
  if (!address) {
    return fail("\"{}\" is not a network: write ADDRESS/BITS, such as \"192.0.2.0/24\"",
                escape_for_log(text));
  }
  const unsigned most = address->v6 ? 128 : 32;
  unsigned bits = most;
  if (slash < text.size()) {
    const std::string_view number = text.substr(slash + 1);
    const char* end = number.data() + number.size();
    const auto [rest, error] = std::from_chars(number.data(), end, bits);
    if (error != std::errc{} || rest != end || bits > most) {
      return fail("\"{}\" has no prefix length of 0 to {} behind the /", escape_for_log(text),
                  most);
    }
  }
  Network network{address->v6, masked(address->octets, bits), static_cast<uint8_t>(bits)};
  if (network.address != address->octets) {
    return fail("\"{}\" has bits set behind its prefix: the network is \"{}\"",
                escape_for_log(text), format_network(network));
  }
  return network;
}

std::string format_network(const Network& network) {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(network.v6 ? AF_INET6 : AF_INET, network.address.data(), text, sizeof text);
  return fmt::format("{}/{}", text, network.bits);
}

bool any_contains(std::span<const Network> networks, std::string_view address_text) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(address_text); });
}

std::string format_socket_address(int family, const void* address, uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, address, text, sizeof text);
  return family == AF_INET6 ? fmt::format("[{}]:{}", text, port) : fmt::format("{}:{}", text, port);
}

Result<std::string> parse_socket_address(std::string_view text, uint16_t default_port) {
  const auto wrong = [text] {
    return fail(
        "\"{}\" is not an address: write ADDRESS or ADDRESS:PORT, IPv6 with a port in "
        "brackets, such as \"192.0.2.53\" or \"[2001:db8::53]:53\"",
        escape_for_log(text));
  };
  std::string_view host = text, port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return wrong();
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
    if (host.find(':') == std::string_view::npos) return wrong();
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    port = host.substr(host.find(':'));
    host.remove_suffix(port.size());
  }
  uint16_t number = default_port;
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [rest, error] = std::from_chars(port.data() + 1, end, number);
    if (port[0] != ':' || error != std::errc{} || rest != end || number == 0) return wrong();
  }
  const auto address = parse_address_text(host);
  if (!address) return wrong();
  return format_socket_address(address->v6 ? AF_INET6 : AF_INET, address->octets.data(), number);
}

}  // namespace lsmtpd
