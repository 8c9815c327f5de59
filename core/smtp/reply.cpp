// SPDX-License-Identifier: Apache-2.0
#include "smtp/reply.hpp"

#include <algorithm>

namespace lsmtpd::smtp {
namespace {

constexpr size_t line_limit = 512;  // RFC 5321 4.5.3.1.5, CRLF included

// Replies are printable ASCII: nothing that a plugin or a broker says can break out of its line.
bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

}  // namespace

void append(std::string& out, const Reply& reply) {
  const size_t start = out.size();
  out.reserve(start + std::min(line_limit, reply.enhanced.size() + reply.text.size() + 8));
  out += std::to_string(reply.code);
  for (const std::string* part : {&reply.enhanced, &reply.text}) {
    if (part->empty()) continue;
    out += ' ';
    out += *part;
  }
  std::replace_if(
      out.data() + start, out.data() + out.size(), [](char c) { return !is_printable(c); }, '?');
  if (out.size() - start > line_limit - 2) out.resize(start + line_limit - 2);
  out += "\r\n";
}

}  // namespace lsmtpd::smtp
