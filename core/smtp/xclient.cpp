// SPDX-License-Identifier: Apache-2.0
#include "smtp/xclient.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>

#include "base/text.hpp"
#include "smtp/blanks.hpp"
#include "smtp/commands.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr size_t kLongestText = 255;

int upper_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '+' && i + 2 < text.size() ? upper_hex(text[i + 1]) : -1;
    const int low = high >= 0 ? upper_hex(text[i + 2]) : -1;
    if (low < 0) {
      decoded += text[i];
    } else {
      decoded += static_cast<char>(high << 4 | low);
      i += 2;
    }
  }
  return decoded;
}

bool is_unavailable(std::string_view value) {
  return equals_ignoring_case(value, "[UNAVAILABLE]") ||
         equals_ignoring_case(value, "[TEMPUNAVAIL]");
}

// Text that may stand in an envelope: no control characters, UTF-8, not endless.
bool set_text(std::string_view value, std::optional<std::string>& target) {
  if (value.size() > kLongestText || value.find('\t') != value.npos || kind_of(value).control ||
      !is_utf8(value)) {
    return false;
  }
  target = value;
  return true;
}

bool set_address(std::string_view value, std::optional<std::string>& target) {
  constexpr std::string_view kTag = "IPV6:";
  const bool tagged = equals_ignoring_case(value.substr(0, kTag.size()), kTag);
  const std::string text(tagged ? value.substr(kTag.size()) : value);
  if (text.find('\0') != text.npos) return false;
  unsigned char octets[sizeof(in6_addr)];
  char shown[INET6_ADDRSTRLEN] = "";
  if (!tagged && inet_pton(AF_INET, text.c_str(), octets) == 1) {
    target = text;
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), octets) != 1) return false;
  in6_addr in6{};
  std::memcpy(&in6, octets, sizeof in6);
  if (IN6_IS_ADDR_V4MAPPED(&in6)) {
    inet_ntop(AF_INET, octets + 12, shown, sizeof shown);
  } else {
    inet_ntop(AF_INET6, octets, shown, sizeof shown);
  }
  target = shown;
  return true;
}

bool set_port(std::string_view value, std::optional<uint16_t>& target) {
  uint16_t port = 0;
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, port);
  if (error != std::errc{} || rest != end) return false;
  target = port;
  return true;
}

bool set_protocol(std::string_view value, std::optional<bool>& target) {
  target = equals_ignoring_case(value, "ESMTP") || equals_ignoring_case(value, "LMTP");
  return *target || equals_ignoring_case(value, "SMTP");
}

struct Attribute {
  std::string_view name;
  bool (*set)(std::string_view value, XclientAttributes& attributes);
  void (*unset)(XclientAttributes& attributes);
};

template <auto kMember, auto kSet>
constexpr Attribute attribute(std::string_view name) {
  return {name,
          [](std::string_view value, XclientAttributes& all) { return kSet(value, all.*kMember); },
          [](XclientAttributes& all) { (all.*kMember).emplace(); }};
}

using A = XclientAttributes;
constexpr std::array<Attribute, 8> kAttributes{{
    attribute<&A::name, set_text>("NAME"),
    attribute<&A::address, set_address>("ADDR"),
    attribute<&A::port, set_port>("PORT"),
    attribute<&A::extended, set_protocol>("PROTO"),
    attribute<&A::helo, set_text>("HELO"),
    attribute<&A::login, set_text>("LOGIN"),
    attribute<&A::local_address, set_address>("DESTADDR"),
    attribute<&A::local_port, set_port>("DESTPORT"),
}};

bool parse_one(std::string_view word, unsigned& seen, XclientAttributes& attributes) {
  const size_t equals = word.find('=');
  if (equals == word.npos || equals + 1 == word.size()) return false;
  for (size_t i = 0; i < kAttributes.size(); ++i) {
    const Attribute& attribute = kAttributes[i];
    if (!equals_ignoring_case(attribute.name, word.substr(0, equals))) continue;
    if ((seen >> i & 1) != 0) return false;
    seen |= 1u << i;
    const std::string value = decode(word.substr(equals + 1));
    if (!is_unavailable(value)) return attribute.set(value, attributes);
    attribute.unset(attributes);
    return true;
  }
  return false;
}

}  // namespace

bool parse_xclient(std::string_view argument, XclientAttributes& attributes) {
  unsigned seen = 0;
  for (argument = trim_left(argument); !argument.empty(); argument = trim_left(argument)) {
    const std::string_view word = argument.substr(0, argument.find_first_of(" \t"));
    if (!parse_one(word, seen, attributes)) return false;
    argument.remove_prefix(word.size());
  }
  return seen != 0;
}

}  // namespace lsmtpd::smtp
