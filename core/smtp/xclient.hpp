// SPDX-License-Identifier: Apache-2.0
// The XCLIENT command (Postfix's XCLIENT_README): a trusted proxy names the client that it speaks
// for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::smtp {

// The attributes that the command names; the others keep their values. An empty text and port 0
// stand for [UNAVAILABLE] and [TEMPUNAVAIL].
struct XclientAttributes {
  std::optional<std::string> name;
  std::optional<std::string> address;  // numeric; an IPv4 address within IPv6 is the IPv4 address
  std::optional<uint16_t> port;
  std::optional<bool> extended;  // PROTO: the client said EHLO
  std::optional<std::string> helo;
  std::optional<std::string> login;
  std::optional<std::string> local_address;  // DESTADDR
  std::optional<uint16_t> local_port;        // DESTPORT
};

// Values are decoded first: "+XX" with two upper-case hexadecimal digits is an octet, and any other
// "+" is itself, since proxies send text that was never encoded. False: the argument is malformed,
// has an unknown attribute or value, or an attribute twice.
bool parse_xclient(std::string_view argument, XclientAttributes& attributes);

inline constexpr std::string_view kXclientAttributes =
    "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

}  // namespace lsmtpd::smtp
