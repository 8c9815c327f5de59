// SPDX-License-Identifier: Apache-2.0
// The action of an answer, as access(5) of Postfix has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::policy {

struct Action {
  enum class Kind {
    proceed,  // DUNNO
    accept,   // OK
    reject,
    tempfail,
    prepend,
    discard,
    note,     // WARN, INFO: a line of the log
    unknown,  // one that lsmtpd cannot do
  };
  Kind kind = Kind::unknown;
  uint32_t code = 0;
  std::string enhanced;  // may be empty
  std::string text;      // for the client, the log, or the header field
};

Action parse_action(std::string_view text);

// The field for PREPEND, with its CRLF; folded at blanks where a line would be longer than 998
// octets (RFC 5322 2.1.1). "" where the text is no "Name: value".
std::string header_field(std::string_view text);

}  // namespace lsmtpd::policy
