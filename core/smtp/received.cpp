// SPDX-License-Identifier: Apache-2.0
#include "smtp/received.hpp"

#include <cstring>

namespace lsmtpd::smtp {
namespace {

constexpr std::string_view name = "received";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

void ReceivedCounter::count(std::string_view piece) {
  while (!piece.empty() && !over_) {
    if (matched_ != skip_line) {
      look_at(piece.front());
      piece.remove_prefix(1);
      continue;
    }
    const size_t line_feed = piece.find('\n');
    if (line_feed == std::string_view::npos) return;
    piece.remove_prefix(line_feed + 1);
    matched_ = 0;
    blank_ = false;
  }
}

void ReceivedCounter::look_at(char c) {
  if (c == '\n') {
    over_ = matched_ == 0;  // an empty line, its CR seen or not
    matched_ = 0;
    blank_ = false;
  } else if (matched_ == 0 && c == '\r' && !blank_) {
    blank_ = true;
  } else if (!blank_ && matched_ < name.size() && lower(c) == name[matched_]) {
    ++matched_;
  } else if (matched_ == name.size() && c == ':') {
    ++fields_;
    matched_ = skip_line;
  } else if (blank_ || matched_ != name.size() || (c != ' ' && c != '\t')) {
    matched_ =
        skip_line;  // blanks before the colon are obsolete syntax (RFC 5322 4.5), and still a field
  }
}

}  // namespace lsmtpd::smtp
