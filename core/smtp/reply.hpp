// SPDX-License-Identifier: Apache-2.0
// One SMTP reply (RFC 5321 4.2, enhanced codes RFC 3463) as a value. replies.hpp has those that are
// given, and writes them.
#pragma once

#include <string>

namespace lsmtpd::smtp {

struct Reply {
  int code = 0;               // 200 to 599
  std::string enhanced = {};  // "5.7.1"; empty where a reply has none
  std::string text = {};      // lines, separated by LF; no CR or other control characters
};

// After it the connection ends: 421 (RFC 5321 3.8), 521 (RFC 7504 3).
inline bool ends_connection(const Reply& reply) {
  return reply.code == 421 || reply.code == 521;
}

}  // namespace lsmtpd::smtp
