// SPDX-License-Identifier: Apache-2.0
// DNS answers (RFC 1035 4.1), read from the octets that a server sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lsmtpd::io {

// The numbers of RFC 1035 3.2.2 and RFC 3596.
enum class DnsType : uint16_t { a = 1, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28 };

struct DnsRecord {
  uint32_t ttl = 0;         // seconds
  uint16_t preference = 0;  // MX
  // A: 4 octets, AAAA: 16, in network order. TXT: all its strings, one behind the other, any
  // octets. MX, PTR: a host name without the final dot, odd octets as \DDD; empty: the root.
  std::string data;
};

struct DnsAnswer {
  enum class Status : uint8_t {
    answered,  // a server answered: `rcode` says how
    timeout,   // none in time
    failed,    // `error` says why
  };
  Status status = Status::failed;
  uint32_t rcode = 0;  // RFC 1035 4.1.1: 0 no error, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  // How many seconds the answer may be kept: the least of its records, or what the zone's SOA says
  // for "there is none" (RFC 2308 5). 0: not at all.
  uint32_t ttl = 0;
  std::vector<DnsRecord> records;
  std::string error;
};

// Letters, digits, - _ / and * in labels of up to 63 octets, 253 in all; one final dot may stand.
bool is_domain_name(std::string_view name);

// Returns the records of `type` that `name` has, through its aliases (CNAME) where the message has
// them. An error: the message is malformed.
Result<DnsAnswer> parse_dns_answer(std::string_view message, std::string_view name, DnsType type);

}  // namespace lsmtpd::io
