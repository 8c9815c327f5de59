// SPDX-License-Identifier: Apache-2.0
// The brokers' addresses: parsing of `urls`, and in which order and how long after each other they
// are tried.
//
// parse_url() is used by the options; a Failover belongs to whoever tries again, a lane's
// Connection or a Link: it tells failed() after each attempt in vain, and succeeded() when a link
// attached. Pure: the clock and the dice are the caller's.
#pragma once

#include <cstddef>
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

// Which of `count` brokers comes next, and after what pause: all are tried one after the other
// without one, then the round is repeated after a pause that doubles from `first_ms` to `last_ms`,
// less up to half of it by chance.
class Failover {
 public:
  Failover(std::size_t count, std::uint64_t first_ms, std::uint64_t last_ms)
      : count_(count), first_ms_(first_ms), last_ms_(last_ms) {}

  std::size_t current() const { return current_; }
  // Each broker of the list was tried in vain since the last success.
  bool exhausted() const { return failures_ >= count_; }
  // Goes on to the next broker; how long to wait before it is tried. `dice` is any random number.
  std::uint64_t failed(std::uint64_t dice);
  // The current broker stays the first choice.
  void succeeded() { failures_ = 0; }

 private:
  std::size_t count_;
  std::uint64_t first_ms_;
  std::uint64_t last_ms_;
  std::size_t current_ = 0;
  std::size_t failures_ = 0;
};

}  // namespace lsmtpd::sink
