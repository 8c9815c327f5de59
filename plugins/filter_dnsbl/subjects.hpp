// SPDX-License-Identifier: Apache-2.0
// The subjects that lists are asked about: the client's address, its HELO name, the sender's
// domain; as the first labels of a question (RFC 5782 2.1, 2.4 and 3).
#pragma once

#include <string>
#include <string_view>

#include "mail_names/ip.hpp"

namespace filter_dnsbl {

using lsmtpd::mail_names::Ip;

// "2.0.0.127", or 32 nibbles.
std::string reversed(const Ip& address);
// Returns the key of one entry of the cache: an IPv4 address, or the /64 of an IPv6 address.
std::string cache_key(const Ip& address);
// True for loopback, private, shared (RFC 6598), link-local and unique local addresses, and the
// unspecified one: no public list knows them.
bool is_private(const Ip& address);

// The domain of a HELO name, or of a reverse-path, in lower case; empty where there is none to ask
// about: an address literal, a name without a dot, one that DNS cannot have.
std::string helo_domain(std::string_view helo);
std::string sender_domain(std::string_view reverse_path);

}  // namespace filter_dnsbl
