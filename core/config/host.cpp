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

constexpr std::string_view kActivation = "systemd:";
constexpr size_t kLongestPath = 107;  // sockaddr_un's, with its NUL

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
  if (text.starts_with(kActivation)) {
    const std::string_view name = activation_name(text);
    if (name.empty() || name.size() > 255 || name.find(':') != name.npos ||
        !std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; }))
      return fail("\"{}\" names no socket: write systemd:NAME, as in FileDescriptorName=",
                  escape_for_log(text));
    return Address{std::string(text), 0};
  }
  Address address;
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(5);
    if (!path.starts_with('/')) return fail("the path of a Unix socket begins with a slash");
    if (path.size() > kLongestPath) return fail("the path of a Unix socket is too long");
    address.host = text;
    return address;
  }
  if (text.starts_with('/')) return fail("a Unix socket is written unix:{}", escape_for_log(text));
  std::string_view port;
  const Status parts = split(text, address.host, port);
  if (!parts) return tl::unexpected(parts.error());
  const auto number = parse_port(port);
  if (!number) return tl::unexpected(number.error());
  address.port = *number;
  return address;
}

std::string_view activation_name(std::string_view host) {
  return host.starts_with(kActivation) ? host.substr(kActivation.size()) : std::string_view();
}

std::string format_address(std::string_view host, uint16_t port) {
  if (host.starts_with(kActivation)) return std::string(host);
  if (host.starts_with("unix:")) return std::string(host);
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
