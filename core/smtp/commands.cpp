// SPDX-License-Identifier: Apache-2.0
#include "smtp/commands.hpp"

#include <algorithm>
#include <array>
#include <cstring>

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

// The most frequent first. STARTTLS (RFC 3207) and AUTH (RFC 4954) get verbs of their own when they
// are built.
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
    {"STARTTLS", Verb::missing, Argument::optional},
    {"AUTH", Verb::missing, Argument::optional},
    {"TURN", Verb::missing, Argument::optional},
    {"ATRN", Verb::missing, Argument::optional},
    {"ETRN", Verb::missing, Argument::optional},
    {"SEND", Verb::missing, Argument::optional},
    {"SOML", Verb::missing, Argument::optional},
    {"SAML", Verb::missing, Argument::optional},
    {"XCLIENT", Verb::missing, Argument::optional},
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
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  const std::string_view argument = trim_left(line.substr(name.size()));
  for (const Entry& entry : kEntries) {
    if (!equals_ignoring_case(entry.name, name)) continue;
    return {entry.verb, entry.name, argument, fits(entry.argument, !argument.empty())};
  }
  return {Verb::unknown, {}, argument, true};
}

// Eight octets at a time: every command line passes here, and nearly all are clean. The tests for a
// zero octet are the usual ones; a carry can make them see too much, never too little.
LineKind kind_of(std::string_view line) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  uint64_t suspicious = 0;
  for (size_t i = 0; i < line.size(); i += sizeof(uint64_t)) {
    uint64_t word = kOnes * ' ';
    std::memcpy(&word, line.data() + i, std::min(sizeof(word), line.size() - i));
    const uint64_t below_blank = (word - kOnes * ' ') & ~word;
    const uint64_t is_delete = (word ^ kOnes * 0x7f) - kOnes;
    suspicious |= (word | below_blank | is_delete) & kHigh;
  }
  return suspicious == 0 ? LineKind{} : kind_of_each(line);
}

bool eat_keyword(std::string_view keyword, std::string_view& argument) {
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
