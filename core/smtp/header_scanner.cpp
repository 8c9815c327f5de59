// SPDX-License-Identifier: Apache-2.0
#include "smtp/header_scanner.hpp"

#include <algorithm>

namespace lsmtpd::smtp {
namespace {

constexpr std::string_view kReceived = "received";
constexpr std::string_view kMessageId = "message-id";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

}  // namespace

void HeaderScanner::scan(std::string_view piece) {
  while (!piece.empty() && !over_) {
    if (matched_ != kSkipLine) {
      look_at(piece.front());
      piece.remove_prefix(1);
      continue;
    }
    const size_t line_feed = piece.find('\n');
    if (keeping_) id_ += piece.substr(0, std::min(line_feed, kLongestId - id_.size()));
    if (line_feed == std::string_view::npos) return;
    piece.remove_prefix(line_feed + 1);
    matched_ = 0;
    blank_ = false;
  }
}

void HeaderScanner::look_at(char c) {
  if (matched_ == 0 && !blank_) {
    if (keeping_ && (c == ' ' || c == '\t')) {  // a folded line goes on (RFC 5322 2.2.3)
      matched_ = kSkipLine;
      return;
    }
    keeping_ = false;
    name_ = lower(c) == kMessageId[0] ? kMessageId : kReceived;
  }
  if (c == '\n') {
    over_ = matched_ == 0;  // an empty line, its CR seen or not
    matched_ = 0;
    blank_ = false;
  } else if (matched_ == 0 && c == '\r' && !blank_) {
    blank_ = true;
  } else if (!blank_ && matched_ < name_.size() && lower(c) == name_[matched_]) {
    ++matched_;
  } else if (matched_ == name_.size() && c == ':') {
    end_of_name();
  } else if (blank_ || matched_ != name_.size() || (c != ' ' && c != '\t')) {
    // Blanks before the colon are obsolete syntax (RFC 5322 4.5), and still a field.
    matched_ = kSkipLine;
  }
}

void HeaderScanner::end_of_name() {
  matched_ = kSkipLine;
  if (name_ == kReceived) {
    ++received_;
  } else {
    keeping_ = id_.empty();
  }
}

std::string_view HeaderScanner::message_id() const {
  std::string_view id = id_;
  while (!id.empty() && is_space(id.front())) id.remove_prefix(1);
  while (!id.empty() && is_space(id.back())) id.remove_suffix(1);
  return id;
}

}  // namespace lsmtpd::smtp
