// SPDX-License-Identifier: Apache-2.0
// The commands the session knows, and how a command line is taken apart.
#pragma once

#include <cstdint>
#include <string_view>

namespace lsmtpd::smtp {

enum class Verb : uint8_t {
  mail,
  rcpt,
  data,
  bdat,
  rset,
  quit,
  noop,
  helo,
  ehlo,
  lhlo,
  vrfy,
  help,
  xclient,
  starttls,
  auth,
  missing,  // known, not implemented: 502
  unknown,  // 500
};
inline constexpr unsigned kVerbCount = static_cast<unsigned>(Verb::unknown) + 1;

struct Command {
  Verb verb = Verb::unknown;
  std::string_view name = {};      // "MAIL", whatever the client's letters; empty: unknown
  std::string_view argument = {};  // without blanks around it
  bool argument_fits = true;       // present where one is needed, absent where none is allowed
};

// `line` is without its line end.
Command parse_command(std::string_view line);

// The kinds of octets in a line, found in one pass.
struct LineKind {
  bool control = false;  // below 0x20 except tab, or 0x7f
  bool eight_bit = false;
};
LineKind kind_of(std::string_view line);

// Consumes "FROM:" or "TO:" at the front of the argument of MAIL or RCPT, with blanks around the
// colon: old clients write "MAIL FROM: <a@b>". False: it is not there.
bool consume_keyword(std::string_view keyword, std::string_view& argument);

// An HTTP request, sent here by mistake or through a browser that is made to: never to be read as
// commands.
bool is_http_request(std::string_view line);

}  // namespace lsmtpd::smtp
