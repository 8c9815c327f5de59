// SPDX-License-Identifier: Apache-2.0
#include "smtp/parameters.hpp"

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "smtp/blanks.hpp"

namespace lsmtpd::smtp {
namespace {

enum class Place : uint8_t { mail, rcpt };

struct Context {
  MailParameters mail;
  bool has_value = false;  // there was a '='
  bool auth = false;       // AUTH= is allowed
};
using Check = bool (*)(std::string_view value, Context& context);

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool is_xchar(char c) {
  return c >= '!' && c <= '~' && c != '+' && c != '=';
}

// Length of one \x{HEX} of RFC 6533 3 at the front, or 0.
size_t embedded_unicode(std::string_view text) {
  if (!text.starts_with("\\x{")) return 0;
  size_t i = 3;
  while (i < text.size() && is_hex(text[i])) ++i;
  return i > 3 && i <= 9 && i < text.size() && text[i] == '}' ? i + 1 : 0;
}

// Length of one character of xtext (RFC 3461 4) at the front, or 0.
size_t xtext_character(std::string_view text) {
  if (text.size() >= 3 && text[0] == '+' && is_hex(text[1]) && is_hex(text[2])) return 3;
  return is_xchar(text[0]) ? 1 : 0;
}

bool is_xtext(std::string_view text) {
  while (!text.empty()) {
    const size_t length = xtext_character(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_utf8_address(std::string_view text, bool smtputf8) {
  while (!text.empty()) {
    size_t length = embedded_unicode(text);
    if (length == 0) length = xtext_character(text);
    if (length == 0 && smtputf8) length = utf8_sequence(text);
    if (length == 0 || (length == 1 && !is_xchar(text[0]))) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool check_size(std::string_view value, Context& context) {
  if (value.empty() || value.size() > 20) return false;
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, context.mail.size);
  // 20 digits may be more than 64 bits: then it is as large as can be (RFC 1870 4).
  if (error == std::errc::result_out_of_range) context.mail.size = UINT64_MAX;
  return (error == std::errc{} || error == std::errc::result_out_of_range) && rest == end;
}

bool check_body(std::string_view value, Context& context) {
  context.mail.binary = equals_ignoring_case(value, "BINARYMIME");
  return context.mail.binary || equals_ignoring_case(value, "7BIT") ||
         equals_ignoring_case(value, "8BITMIME");
}

bool check_smtputf8(std::string_view, Context& context) {
  context.mail.smtputf8 = !context.has_value;
  return !context.has_value;
}

bool check_auth(std::string_view value, Context&) {
  return value == "<>" || (!value.empty() && value.size() <= 500 && is_xtext(value));
}

bool check_ret(std::string_view value, Context&) {
  return equals_ignoring_case(value, "FULL") || equals_ignoring_case(value, "HDRS");
}

bool check_envid(std::string_view value, Context&) {
  return !value.empty() && value.size() <= 100 && is_xtext(value);
}

// NEVER alone, or some of the other three (RFC 3461 4.1).
bool check_notify(std::string_view value, Context&) {
  constexpr std::array<std::string_view, 3> kReasons{"SUCCESS", "FAILURE", "DELAY"};
  if (equals_ignoring_case(value, "NEVER")) return true;
  unsigned seen = 0;
  for (bool more = true; more;) {
    const size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    unsigned bit = 0;
    for (unsigned i = 0; i < kReasons.size(); ++i) {
      if (equals_ignoring_case(word, kReasons[i])) bit = 1U << i;
    }
    if (bit == 0 || (seen & bit) != 0) return false;
    seen |= bit;
    more = comma != std::string_view::npos;
    if (more) value.remove_prefix(comma + 1);
  }
  return true;
}

bool check_orcpt(std::string_view value, Context& context) {
  const size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0 || value.size() > 500) return false;
  const std::string_view type = value.substr(0, semicolon);
  for (const char c : type) {
    if (!is_xchar(c)) return false;
  }
  const std::string_view address = value.substr(semicolon + 1);
  if (equals_ignoring_case(type, "utf-8")) return is_utf8_address(address, context.mail.smtputf8);
  return is_xtext(address);
}

struct Entry {
  std::string_view keyword;
  Place place;
  Check check;
};

constexpr std::array<Entry, 8> kEntries{{
    {"SIZE", Place::mail, check_size},
    {"BODY", Place::mail, check_body},
    {"SMTPUTF8", Place::mail, check_smtputf8},
    {"RET", Place::mail, check_ret},
    {"ENVID", Place::mail, check_envid},
    {"AUTH", Place::mail, check_auth},
    {"NOTIFY", Place::rcpt, check_notify},
    {"ORCPT", Place::rcpt, check_orcpt},
}};

bool is_keyword(std::string_view text) {
  for (const char c : text) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && c != '-') return false;
  }
  return !text.empty() && text.front() != '-';
}

ParameterFault parse_one(std::string_view word, Place place, unsigned& seen, Context& context) {
  const size_t equals = word.find('=');
  const std::string_view keyword = word.substr(0, equals);
  context.has_value = equals != std::string_view::npos;
  if (!is_keyword(keyword)) return ParameterFault::syntax;
  for (unsigned i = 0; i < kEntries.size(); ++i) {
    if (kEntries[i].place != place || !equals_ignoring_case(kEntries[i].keyword, keyword)) continue;
    if (kEntries[i].check == check_auth && !context.auth) return ParameterFault::unknown;
    const bool twice = (seen >> i & 1) != 0;
    seen |= 1U << i;
    const std::string_view value = context.has_value ? word.substr(equals + 1) : std::string_view{};
    return twice || !kEntries[i].check(value, context) ? ParameterFault::syntax
                                                       : ParameterFault::none;
  }
  return ParameterFault::unknown;
}

ParameterFault parse_all(std::string_view text, Place place, Context& context) {
  unsigned seen = 0;
  for (text = trim_left(text); !text.empty(); text = trim_left(text)) {
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    const ParameterFault fault = parse_one(word, place, seen, context);
    if (fault != ParameterFault::none) return fault;
    text.remove_prefix(word.size());
  }
  return ParameterFault::none;
}

}  // namespace

ParameterFault parse_mail_parameters(std::string_view text, MailParameters& parameters, bool auth) {
  Context context;
  context.auth = auth;
  const ParameterFault fault = parse_all(text, Place::mail, context);
  parameters = context.mail;
  return fault;
}

ParameterFault parse_rcpt_parameters(std::string_view text, bool smtputf8) {
  Context context;
  context.mail.smtputf8 = smtputf8;
  return parse_all(text, Place::rcpt, context);
}

}  // namespace lsmtpd::smtp
