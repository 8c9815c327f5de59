// SPDX-License-Identifier: Apache-2.0
// One SMTP reply (RFC 5321 4.2, enhanced codes RFC 3463).
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::smtp {

struct Reply {
  int code = 0;               // 200 to 599
  std::string enhanced = {};  // "5.7.1"; empty where a reply has none (banner, EHLO)
  std::string text = {};      // one line; no CR, LF or control characters
};

// After it the connection ends: 421 (RFC 5321 3.8), 521 (RFC 7504 3).
inline bool ends_connection(const Reply& reply) {
  return reply.code == 421 || reply.code == 521;
}

// "250 2.0.0 Ok\r\n" appended to `out`. Lines longer than 512 octets are cut (RFC 5321 4.5.3.1.5).
void append(std::string& out, const Reply& reply);

}  // namespace lsmtpd::smtp
