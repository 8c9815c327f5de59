#include "smtp/reply.hpp"

#include <algorithm>

namespace lsmtpd::smtp {
namespace {

constexpr size_t line_limit = 512;  // RFC 5321 4.5.3.1.5, CRLF included

// Replies are printable ASCII: nothing that a plugin or a broker says can break out of its line.
bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

void append_line(std::string& out, const Reply& reply, std::string_view text, bool last) {
  const size_t start = out.size();
  out.reserve(start + std::min(line_limit, reply.enhanced.size() + text.size() + 8));
  out += std::to_string(reply.code);
  if (!last) out += '-';
  const char* between = last ? " " : "";
  for (const std::string_view part : {std::string_view(reply.enhanced), text}) {
    if (part.empty()) continue;
    out += between;
    out += part;
    between = " ";
  }
  std::replace_if(
      out.data() + start, out.data() + out.size(), [](char c) { return !is_printable(c); }, '?');
  if (out.size() - start > line_limit - 2) out.resize(start + line_limit - 2);
  out += "\r\n";
}

}  // namespace

void append(std::string& out, const Reply& reply) {
  std::string_view text = reply.text;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    append_line(out, reply, text.substr(0, end), false);
    text.remove_prefix(end + 1);
  }
  append_line(out, reply, text, true);
}

}  // namespace lsmtpd::smtp
