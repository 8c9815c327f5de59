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

}  // namespace lsmtpd
