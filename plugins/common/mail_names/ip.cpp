// SPDX-License-Identifier: Apache-2.0
#include "ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace lsmtpd::mail_names {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

bool is_mapped(const Ip& ip) {
  return ip.v6 && std::equal(kMapped.begin(), kMapped.end(), ip.bytes.begin());
}

Ip unmapped(const Ip& ip) {
  Ip v4;
  std::copy(ip.bytes.begin() + kMapped.size(), ip.bytes.end(), v4.bytes.begin());
  return v4;
}

std::optional<Ip> parse_as_written(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Ip ip;
  ip.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, buffer, ip.bytes.data()) != 1) return std::nullopt;
  return ip;
}

}  // namespace

Ip Ip::network(unsigned prefix) const {
  Ip out = *this;
  for (unsigned i = 0; i < out.bytes.size(); ++i) {
    const unsigned kept = prefix <= i * 8 ? 0 : std::min(8u, prefix - i * 8);
    out.bytes[i] = static_cast<uint8_t>(out.bytes[i] & (0xff00u >> kept));
  }
  return out;
}

std::string Ip::text() const {
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
}

std::optional<Ip> parse_ip(std::string_view text) {
  const auto ip = parse_as_written(text);
  return ip && is_mapped(*ip) ? unmapped(*ip) : ip;
}

std::optional<Network> parse_network(std::string_view text, std::string& problem) {
  const size_t slash = text.find('/');
  const auto ip = parse_as_written(text.substr(0, slash));
  if (!ip) {
    problem = "\"" + std::string(text) + "\" is no address and no network";
    return std::nullopt;
  }
  Network network{*ip, ip->bits()};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), network.prefix);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
        network.prefix > ip->bits()) {
      problem = "\"" + std::string(text) + "\": the prefix is a number from 0 to " +
                std::to_string(ip->bits());
      return std::nullopt;
    }
  }
  network.address = ip->network(network.prefix);
  if (!(network.address == *ip)) {
    problem = "\"" + std::string(text) + "\" has bits behind its prefix; the network is " +
              network.text();
    return std::nullopt;
  }
  if (is_mapped(network.address) && network.prefix >= kMappedBits)
    network = {unmapped(network.address), network.prefix - kMappedBits};
  return network;
}

}  // namespace lsmtpd::mail_names
