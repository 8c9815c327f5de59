// SPDX-License-Identifier: Apache-2.0
#include "smtp/scanner.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};

Want wanted(Scanner::Framing framing) {
  switch (framing) {
    case Scanner::Framing::dots:
      return {kAll, kAll, kAll};
    case Scanner::Framing::octets:
      return {kAll, 0, 0};
    case Scanner::Framing::binary:
      break;
  }
  return {};
}

std::string_view take(std::string_view& input, size_t count) {
  const std::string_view front = input.substr(0, count);
  input.remove_prefix(front.size());
  return front;
}

}  // namespace

Scanner::Scanner(Framing framing, bool normalize)
    : want_(wanted(framing)), normalize_(normalize && framing != Framing::binary) {}

void Scanner::drain() {
  want_.bare = 0;
  want_.nul = 0;
  normalize_ = false;
}

Scanner::Found Scanner::scan(std::string_view& input, std::string_view& piece) {
  while (!input.empty()) {
    Found found = Found::nothing;
    switch (at_) {
      case At::text:
        found = scan_text(input, piece);
        break;
      case At::dot:
      case At::dot_cr:
        found = after_dot(input);
        break;
      case At::nuls:
      case At::dot_and_nuls:
        found = among_nuls(input, piece);
        break;
    }
    if (found != Found::nothing) return found;
  }
  return Found::nothing;
}

Scanner::Found Scanner::scan_text(std::string_view& input, std::string_view& piece) {
  if ((want_.bare | want_.dot) == 0) {
    piece = take(input, input.size());
    return Found::piece;
  }
  const size_t index = find_special(input.data(), input.size(), want_, line_);
  if (index == 0) return special(input, piece);
  started_by_lf_ = false;
  piece = take(input, index);
  return Found::piece;
}

// The octet at the front is one that find_special() reports.
Scanner::Found Scanner::special(std::string_view& input, std::string_view& piece) {
  if (line_.after_cr != 0) return Found::bare_cr;
  switch (input.front()) {
    case '.':
      input.remove_prefix(1);
      at_ = At::dot;
      return Found::nothing;
    case '\0':
      at_ = At::nuls;
      return Found::nothing;
    default:
      break;
  }
  if (!normalize_) return Found::bare_lf;
  input.remove_prefix(1);
  piece = "\r\n";
  line_ = {0, 1};
  started_by_lf_ = true;
  return Found::piece;
}

Scanner::Found Scanner::after_dot(std::string_view& input) {
  const char c = input.front();
  if (at_ == At::dot_cr) {
    if (c == '\n') {
      input.remove_prefix(1);
      return Found::end;
    }
    if (want_.bare != 0) return Found::bare_cr;
    to_text();
  } else if (c == '\r' && !started_by_lf_) {
    input.remove_prefix(1);
    at_ = At::dot_cr;
  } else if (c == '\0' && want_.nul != 0) {
    at_ = At::dot_and_nuls;
  } else {
    to_text();
  }
  return Found::nothing;
}

Scanner::Found Scanner::among_nuls(std::string_view& input, std::string_view& piece) {
  if (want_.nul == 0) {  // draining began here
    to_text();
    return Found::nothing;
  }
  const char c = input.front();
  if (c == '\0') {
    piece = take(input, input.find_first_not_of('\0'));
    return Found::piece;
  }
  if (c == '.' && at_ == At::nuls) {
    at_ = At::dot_and_nuls;
    piece = take(input, 1);
    return Found::piece;
  }
  if (at_ == At::dot_and_nuls && (c == '\r' || c == '\n')) return Found::nul_dot;
  to_text();
  return Found::nothing;
}

void Scanner::to_text() {
  at_ = At::text;
  line_ = {};
  started_by_lf_ = false;
}

}  // namespace lsmtpd::smtp
