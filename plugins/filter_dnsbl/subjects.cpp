// SPDX-License-Identifier: Apache-2.0
#include "subjects.hpp"

#include <array>

#include "mail_names/mail_names.hpp"

namespace filter_dnsbl {

namespace mail_names = lsmtpd::mail_names;

namespace {

constexpr std::string_view kPrivate[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",
                                         "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
                                         "192.168.0.0/16", "::/128",         "::1/128",
                                         "fc00::/7",       "fe80::/10"};
constexpr char kHex[] = "0123456789abcdef";
constexpr size_t kLongestName = 253;

bool is_asked(std::string_view domain) {
  size_t label = 0, dots = 0;
  for (const char c : domain) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      ++dots;
    } else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') ||
               ++label > 63) {
      return false;
    }
  }
  return label > 0 && dots > 0 && domain.size() <= kLongestName;
}

}  // namespace

std::string reversed(const Ip& address) {
  std::string text;
  for (unsigned i = address.bits() / 8; i-- > 0;) {
    const unsigned byte = address.bytes[i];
    if (!text.empty()) text += '.';
    if (address.v6) {
      text += kHex[byte & 15];
      text += '.';
      text += kHex[byte >> 4];
    } else {
      text += std::to_string(byte);
    }
  }
  return text;
}

std::string cache_key(const Ip& address) {
  return address.v6 ? address.network(64).text() : address.text();
}

bool is_private(const Ip& address) {
  static const auto kNetworks = [] {
    std::array<mail_names::Network, std::size(kPrivate)> all;
    std::string problem;
    for (size_t i = 0; i < all.size(); ++i)
      all[i] = *mail_names::parse_network(kPrivate[i], problem);
    return all;
  }();
  for (const auto& network : kNetworks) {
    if (network.address.v6 == address.v6 && address.network(network.prefix) == network.address)
      return true;
  }
  return false;
}

std::string helo_domain(std::string_view helo) {
  std::string domain = mail_names::normal_domain(helo);
  return is_asked(domain) && !mail_names::parse_ip(domain) ? domain : std::string();
}

std::string sender_domain(std::string_view reverse_path) {
  return helo_domain(mail_names::normal_address(reverse_path).domain);
}

}  // namespace filter_dnsbl
