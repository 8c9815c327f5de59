// SPDX-License-Identifier: Apache-2.0
#include "config/host.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace lsmtpd::config {
namespace {

bool is_ipv4(const std::string& text) {
  in_addr ignored = {};
  return inet_pton(AF_INET, text.c_str(), &ignored) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr ignored = {};
  const std::string without_zone = text.substr(0, text.find('%'));
  return inet_pton(AF_INET6, without_zone.c_str(), &ignored) == 1;
}

bool only(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

constexpr std::string_view kHostLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

Status check_host(const std::string& host) {
  if (host.empty()) return fail("the host is missing: write *:PORT for every address");
  if (host == "*") return {};
  if (!only(host, kHostLetters)) return fail("\"{}\" is not a host", escape_for_log(host));
  if (only(host, "0123456789.") && !is_ipv4(host))
    return fail("\"{}\" is not an IPv4 address", host);
  return {};
}

// Cuts "HOST:PORT" in two. `host` comes out without brackets.
Status split(std::string_view text, std::string& host, std::string_view& port) {
  const size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return fail("a ] is missing");
    if (end + 1 != colon) return fail("the port is missing, such as :2525");
    host = text.substr(1, end - 1);
    port = text.substr(colon + 1);
    if (!is_ipv6(host)) return fail("\"{}\" is not an IPv6 address", escape_for_log(host));
    return {};
  }
  if (colon == std::string_view::npos) return fail("the port is missing, such as :2525");
  if (text.find(':') != colon) return fail("an IPv6 address stands in brackets, such as [::1]:25");
  host = text.substr(0, colon);
  port = text.substr(colon + 1);
  return check_host(host);
}

}  // namespace

Result<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || rest != end) {
    return fail("\"{}\" is not a port: 0 to 65535", escape_for_log(text));
  }
  return port;
}

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:") || text.starts_with('/')) {
    return fail("Unix sockets are not supported: write HOST:PORT");
  }
  Address address;
  std::string_view port;
  const Status parts = split(text, address.host, port);
  if (!parts) return tl::unexpected(parts.error());
  const auto number = parse_port(port);
  if (!number) return tl::unexpected(number.error());
  address.port = *number;
  return address;
}

std::string format_address(std::string_view host, uint16_t port) {
  const bool brackets = host.find(':') != std::string_view::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

bool is_hostname(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  if (name.starts_with('[')) {
    return name.ends_with(']') && name.size() > 2 &&
           only(name.substr(1, name.size() - 2), "0123456789abcdefABCDEFIPv.:");
  }
  return only(name, kHostLetters) && name.front() != '.' && name.front() != '-';
}

std::string machine_name() {
  char name[256] = {};
  const bool known = gethostname(name, sizeof(name) - 1) == 0;
  return known && is_hostname(name) ? name : "localhost";
}

}  // namespace lsmtpd::config
