// SPDX-License-Identifier: Apache-2.0
#include "smtp/addresses.hpp"

#include <arpa/inet.h>

#include <array>
#include <string>

#include "base/text.hpp"
#include "smtp/blanks.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr size_t kPathLimit = 256;
constexpr std::string_view kPostmaster = "postmaster";

bool is_high(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// atext of RFC 5322 3.2.3, and all of UTF-8 (RFC 6531 3.3).
constexpr std::array<bool, 256> make_atext() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c)
    table[c] = c >= 0x80 || is_letter_or_digit(static_cast<char>(c));
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}

bool is_atext(char c) {
  static constexpr std::array<bool, 256> kTable = make_atext();
  return kTable[static_cast<unsigned char>(c)];
}

bool is_label(char c) {
  return is_letter_or_digit(c) || is_high(c) || c == '-' || c == '_';
}

// Each eat_ function takes what it knows off the front of `text`, and says whether it was there.

bool consume(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool consume_quoted(std::string_view& text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\') ++i;
    if (i >= text.size() || (!is_high(text[i]) && (text[i] < 0x20 || text[i] == 0x7f)))
      return false;
  }
  return false;
}

// Dots may stand anywhere: some providers gave out such addresses.
bool consume_dot_string(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && (is_atext(text[length]) || text[length] == '.')) ++length;
  text.remove_prefix(length);
  return length > 0;
}

bool consume_local_part(std::string_view& text) {
  return !text.empty() && text.front() == '"' ? consume_quoted(text) : consume_dot_string(text);
}

bool is_address(int family, std::string_view text) {
  unsigned char binary[sizeof(in6_addr)];
  return inet_pton(family, std::string(text).c_str(), binary) == 1;
}

bool is_literal(std::string_view text) {
  constexpr std::string_view kIpv6 = "IPv6:";
  if (equals_ignoring_case(text.substr(0, kIpv6.size()), kIpv6)) {
    return is_address(AF_INET6, text.substr(kIpv6.size()));
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return is_address(AF_INET, text);
  return colon > 0 && colon + 1 < text.size();  // General-address-literal
}

bool consume_literal(std::string_view& text) {
  const size_t end = text.find(']');
  if (end == std::string_view::npos) return false;
  const std::string_view content = text.substr(1, end - 1);
  for (const char c : content) {
    if (c <= ' ' || c == '[' || c == '\\' || c == 0x7f)
      return false;  // high octets too: no UTF-8 here
  }
  text.remove_prefix(end + 1);
  return is_literal(content);
}

bool consume_domain(std::string_view& text) {
  if (!text.empty() && text.front() == '[') return consume_literal(text);
  do {
    size_t length = 0;
    while (length < text.size() && is_label(text[length])) ++length;
    if (length == 0) return false;
    text.remove_prefix(length);
  } while (consume(text, '.'));
  return true;
}

// "@a,@b:" before the mailbox; RFC 5321 appendix C: must be understood, should be ignored.
bool consume_source_route(std::string_view& text) {
  if (text.empty() || text.front() != '@') return true;
  do {
    if (!consume(text, '@') || !consume_domain(text)) return false;
  } while (consume(text, ','));
  return consume(text, ':');
}

bool consume_mailbox(std::string_view& text) {
  const std::string_view start = text;
  if (!consume_local_part(text)) return false;
  if (consume(text, '@')) return consume_domain(text);
  return equals_ignoring_case(start.substr(0, start.size() - text.size()), kPostmaster);
}

// `whole` has the source route too, which is dropped, and was said all the same.
PathFault check(std::string_view whole, std::string_view address, Path& path) {
  if (address.size() + 2 > kPathLimit) return PathFault::too_long;
  for (const char c : whole) path.utf8 |= is_high(c);
  if (path.utf8 && !is_utf8(whole)) return PathFault::not_utf8;
  path.address = address;
  return PathFault::none;
}

}  // namespace

PathFault parse_path(std::string_view text, Path& path) {
  path = {};
  const bool bracket = consume(text, '<');
  std::string_view whole;
  std::string_view address;
  if (!bracket || text.empty() || text.front() != '>') {
    whole = text;
    if (!consume_source_route(text)) return PathFault::syntax;
    address = text;
    if (!consume_mailbox(text)) return PathFault::syntax;
    address.remove_suffix(text.size());
    whole.remove_suffix(text.size());
  }
  if (bracket && !consume(text, '>')) return PathFault::syntax;
  if (!text.empty() && !is_blank(text.front())) return PathFault::syntax;
  path.rest = text;
  return check(whole, address, path);
}

}  // namespace lsmtpd::smtp
