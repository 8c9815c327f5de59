// SPDX-License-Identifier: Apache-2.0
#include "io/proxy_line.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace lsmtpd::io {
namespace {

constexpr size_t kLongestLine = 107;  // with CRLF

bool parse_address(int family, std::string_view word, std::string& address) {
  const std::string text(word);
  unsigned char octets[sizeof(in6_addr)];
  if (text.find('\0') != std::string::npos || inet_pton(family, text.c_str(), octets) != 1) {
    return false;
  }
  address = address_text(family, octets);
  return true;
}

bool parse_port(std::string_view word, uint16_t& port) {
  const char* end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data(), end, port);
  return error == std::errc{} && rest == end && (word.size() == 1 || word.front() != '0');
}

// The word at the front of `line`, which must be followed by one space or be the last.
std::string_view eat_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

}  // namespace

bool ProxyLine::fail(std::string_view fault) {
  fault_ = fault;
  return false;
}

ProxyFound ProxyLine::read(std::string_view& input) {
  constexpr std::string_view kBegin = "PROXY ";
  const std::string_view part = input.substr(0, kLongestLine - kept_.size());
  const size_t line_feed = part.find('\n');
  const std::string_view taken = part.substr(0, line_feed == part.npos ? line_feed : line_feed + 1);
  kept_.append(taken);
  input.remove_prefix(taken.size());
  const size_t compared = std::min(kept_.size(), kBegin.size());
  if (kept_.compare(0, compared, kBegin, 0, compared) != 0) {
    fail("no PROXY header");
  } else if (line_feed != part.npos) {
    if (parse()) return ProxyFound::header;
  } else if (kept_.size() == kLongestLine) {
    fail("the line of version 1 does not end");
  }
  return fault_.empty() ? ProxyFound::nothing : ProxyFound::fault;
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25", or "PROXY UNKNOWN" with anything behind it.
bool ProxyLine::parse() {
  if (!kept_.ends_with("\r\n")) return fail("the line of version 1 does not end in CRLF");
  std::string_view line = std::string_view(kept_).substr(0, kept_.size() - 2);
  eat_word(line);
  const std::string_view protocol = eat_word(line);
  if (protocol == "UNKNOWN") {
    header_.local = true;
    return true;
  }
  if (protocol != "TCP4" && protocol != "TCP6") return fail("the protocol is not TCP4 or TCP6");
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  if (!parse_address(family, eat_word(line), header_.source.address) ||
      !parse_address(family, eat_word(line), header_.destination.address)) {
    return fail("an address is malformed");
  }
  const std::string_view source_port = eat_word(line);
  if (!parse_port(source_port, header_.source.port) ||
      !parse_port(line, header_.destination.port)) {
    return fail("a port is malformed");
  }
  return true;
}

}  // namespace lsmtpd::io
