// SPDX-License-Identifier: Apache-2.0
#include "url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace lsmtpd::sink {

namespace {

bool host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == ':' || c == '%';
}

bool parse_port(std::string_view text, std::uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, *port);
  return error == std::errc{} && last == end && *port != 0;
}

// Splits "[::1]:5672" or "host:5672"; false where the brackets do not match.
bool split_host(std::string_view text, std::string_view* host, std::string_view* port) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    *host = text.substr(1, close - 1);
    *port = text.substr(close + 1);
    return port->empty() || port->starts_with(':');
  }
  const auto colon = text.find(':');
  *host = text.substr(0, colon);
  *port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  return true;
}

}  // namespace

tl::expected<Url, std::string> parse_url(std::string_view text, const UrlKind& kind) {
  const auto fail = [](const std::string& why) { return tl::unexpected(why); };
  const std::string clear = std::string(kind.clear) + "://";
  const std::string tls = std::string(kind.tls) + "://";
  Url url;
  url.kind = &kind;
  url.tls = text.starts_with(tls);
  if (!url.tls && !text.starts_with(clear))
    return fail("it must begin with " + clear + " or " + tls);
  text.remove_prefix((url.tls ? tls : clear).size());
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.find('@') != std::string_view::npos) {
    return fail("user and password belong into `username` and `password`, not into the URL");
  }
  if (text.find('/') != std::string_view::npos || text.find('?') != std::string_view::npos) {
    return fail("nothing may follow the port: see " + std::string(kind.rest));
  }
  std::string_view host;
  std::string_view port;
  if (!split_host(text, &host, &port)) return fail("the bracket of the IPv6 address is not closed");
  if (host.empty() || !std::all_of(host.begin(), host.end(), host_char)) {
    return fail("the host name is missing or holds a character that none can have");
  }
  url.host = std::string(host);
  url.port = url.tls ? kind.tls_port : kind.port;
  if (!port.empty() && !parse_port(port.substr(1), &url.port)) {
    return fail("the port must be a number from 1 to 65535");
  }
  return url;
}

std::string without_credentials(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  const auto scheme = text.substr(0, at).find("://");
  const std::string start(scheme == std::string_view::npos ? "" : text.substr(0, scheme + 3));
  return start + "..." + std::string(text.substr(at));
}

std::string to_string(const Url& url) {
  const bool brackets = url.host.find(':') != std::string::npos;
  return std::string(url.tls ? url.kind->tls : url.kind->clear) + "://" + (brackets ? "[" : "") +
         url.host + (brackets ? "]" : "") + ":" + std::to_string(url.port);
}

bool is_address(const std::string& host) {
  in6_addr raw{};
  const auto zone = host.find('%');  // of IPv6
  if (zone != std::string::npos && zone + 1 == host.size()) return false;
  const std::string plain = host.substr(0, zone);
  return ::inet_pton(AF_INET, host.c_str(), &raw) == 1 ||
         ::inet_pton(AF_INET6, plain.c_str(), &raw) == 1;
}

}  // namespace lsmtpd::sink
