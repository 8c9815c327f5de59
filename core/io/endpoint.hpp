// SPDX-License-Identifier: Apache-2.0
// Address and port of one end of a connection.
#pragma once

#include <cstdint>
#include <string>

struct sockaddr_storage;

namespace lsmtpd::io {

struct Endpoint {
  std::string address;  // numeric, without brackets; of a Unix socket "unix" or "unix:/path"
  uint16_t port = 0;
  std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path"
};

// An in_addr or in6_addr as text, without brackets. An IPv4 address in an IPv6 one
// (::ffff:192.0.2.1) comes out as IPv4, here and below.
std::string address_text(int family, const void* octets);
Endpoint endpoint_of(const sockaddr_storage& address);
// Where the socket is bound.
Endpoint local_endpoint(int fd);

}  // namespace lsmtpd::io
