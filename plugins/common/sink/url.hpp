// SPDX-License-Identifier: Apache-2.0
// The brokers' addresses: parsing of `urls`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace lsmtpd::sink {

// The URLs of one kind of broker.
struct UrlKind {
  const char* clear;  // the scheme
  const char* tls;    // the scheme with TLS
  std::uint16_t port;
  std::uint16_t tls_port;
  const char* rest;  // the options that say what elsewhere follows the port
};
inline constexpr UrlKind kAmqpUrls{"amqp", "amqps", 5672, 5671,
                                   "`vhost`, `virtual_host` and `address`"};

struct Url {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  const UrlKind* kind = &kAmqpUrls;
};

// "amqp://host[:port]" (5672) or "amqps://host[:port]" (5671) and the like, IPv6 in brackets.
// Credentials do not belong here: a URL is shown in logs. `kind` outlives the URL.
tl::expected<Url, std::string> parse_url(std::string_view text, const UrlKind& kind = kAmqpUrls);

// How it is shown: "amqps://broker-a:5671".
std::string to_string(const Url& url);

// How one that could not be parsed is shown: without what may be credentials.
std::string without_credentials(std::string_view text);

// An IPv4 or IPv6 address rather than a name: nothing to look up, and nothing for TLS's SNI.
bool is_address(const std::string& host);

}  // namespace lsmtpd::sink
