// SPDX-License-Identifier: Apache-2.0
#include "smtp/commands.hpp"

#include <algorithm>
#include <array>

#include "base/printable.hpp"
#include "base/text.hpp"
#include "smtp/blanks.hpp"

namespace lsmtpd::smtp {
namespace {

enum class Argument : uint8_t { none, optional, required };

struct Entry {
  std::string_view name;
  Verb verb;
  Argument argument;
};

// The most frequent first.
constexpr std::array<Entry, 23> kEntries{{
    {"RCPT", Verb::rcpt, Argument::required},
    {"MAIL", Verb::mail, Argument::required},
    {"DATA", Verb::data, Argument::none},
    {"BDAT", Verb::bdat, Argument::required},
    {"RSET", Verb::rset, Argument::none},
    {"QUIT", Verb::quit, Argument::none},
    {"EHLO", Verb::ehlo, Argument::required},
    {"HELO", Verb::helo, Argument::required},
    {"LHLO", Verb::lhlo, Argument::required},
    {"NOOP", Verb::noop, Argument::optional},
    {"VRFY", Verb::vrfy, Argument::required},
    {"HELP", Verb::help, Argument::optional},
    {"EXPN", Verb::missing, Argument::optional},
    {"STARTTLS", Verb::starttls, Argument::optional},
    {"AUTH", Verb::auth, Argument::required},
    {"TURN", Verb::missing, Argument::optional},
    {"ATRN", Verb::missing, Argument::optional},
    {"ETRN", Verb::missing, Argument::optional},
    {"SEND", Verb::missing, Argument::optional},
    {"SOML", Verb::missing, Argument::optional},
    {"SAML", Verb::missing, Argument::optional},
    {"XCLIENT", Verb::xclient, Argument::required},
    {"XFORWARD", Verb::missing, Argument::optional},
}};

constexpr std::array<std::string_view, 8> kHttpMethods{"GET",     "POST",    "HEAD", "PUT",
                                                       "OPTIONS", "CONNECT", "PRI",  "DELETE"};

bool fits(Argument rule, bool present) {
  return rule == Argument::optional || present == (rule == Argument::required);
}

LineKind kind_of_each(std::string_view line) {
  LineKind kind;
  for (const char c : line) {
    const auto octet = static_cast<unsigned char>(c);
    kind.control |= (octet < 0x20 && c != '\t') || octet == 0x7f;
    kind.eight_bit |= octet >= 0x80;
  }
  return kind;
}

}  // namespace

Command parse_command(std::string_view line) {
  line = trim_right(line);
  const auto blank = std::find_if(line.begin(), line.end(), is_blank);
  const std::string_view name = line.substr(0, static_cast<size_t>(blank - line.begin()));
  const std::string_view argument = trim_left(line.substr(name.size()));
  for (const Entry& entry : kEntries) {
    if (!equals_ignoring_case(entry.name, name)) continue;
    return {entry.verb, entry.name, argument, fits(entry.argument, !argument.empty())};
  }
  return {Verb::unknown, {}, argument, true};
}

// Every command line passes here, and nearly all are clean.
LineKind kind_of(std::string_view line) {
  return is_printable_but<>(line) ? LineKind{} : kind_of_each(line);
}

bool consume_keyword(std::string_view keyword, std::string_view& argument) {
  if (!equals_ignoring_case(argument.substr(0, keyword.size()), keyword)) return false;
  const std::string_view rest = trim_left(argument.substr(keyword.size()));
  if (rest.empty() || rest.front() != ':') return false;
  argument = trim_left(rest.substr(1));
  return true;
}

bool is_http_request(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos || line.find(" HTTP/", blank) == std::string_view::npos) {
    return false;
  }
  for (const std::string_view method : kHttpMethods) {
    if (line.substr(0, blank) == method) return true;
  }
  return false;
}

}  // namespace lsmtpd::smtp
