// SPDX-License-Identifier: Apache-2.0
#include "smtp/header_scanner.hpp"

#include <algorithm>

namespace lsmtpd::smtp {
namespace {

constexpr std::string_view kReceived = "received";
constexpr std::string_view kMessageId = "message-id";
constexpr std::string_view kTraceparent = "traceparent";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view without_blanks(std::string_view value) {
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  return value;
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
    if (kept_ != Kept::nothing) keep(piece.substr(0, line_feed));
    if (line_feed == std::string_view::npos) return;
    piece.remove_prefix(line_feed + 1);
    matched_ = 0;
    blank_ = false;
  }
}

void HeaderScanner::look_at(char c) {
  if (matched_ == 0 && !blank_) {
    if (kept_ != Kept::nothing && (c == ' ' || c == '\t')) {  // a folded line (RFC 5322 2.2.3)
      matched_ = kSkipLine;
      return;
    }
    kept_ = Kept::nothing;
    name_ = lower(c) == kMessageId[0] ? kMessageId : kReceived;
    if (wants_traceparent_ && lower(c) == kTraceparent[0]) name_ = kTraceparent;
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
  } else if (name_ == kTraceparent) {
    kept_ = traceparents_ == 0 ? Kept::traceparent : Kept::nothing;
    traceparents_ = traceparents_ == 0 ? 1 : 2;
  } else if (id_.empty()) {
    kept_ = Kept::message_id;
  }
}

void HeaderScanner::keep(std::string_view piece) {
  std::string& value = kept_ == Kept::message_id ? id_ : traceparent_;
  value += piece.substr(0, kLongestValue - value.size());
}

std::string_view HeaderScanner::message_id() const {
  return without_blanks(id_);
}

std::string_view HeaderScanner::traceparent() const {
  return traceparents_ == 1 ? without_blanks(traceparent_) : std::string_view();
}

}  // namespace lsmtpd::smtp
