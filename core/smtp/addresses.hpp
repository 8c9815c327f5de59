// SPDX-License-Identifier: Apache-2.0
// Reads the path of MAIL and RCPT (RFC 5321 4.1.2, RFC 6531 3.3): strict where a lax reading would
// let one address be taken for two, lenient where real mail is: no brackets, dots anywhere in a
// local part, '_' in a domain.
#pragma once

#include <cstdint>
#include <string_view>

namespace lsmtpd::smtp {

struct Path {
  std::string_view address = {};  // the mailbox: no brackets, no source route; empty: the null path
  std::string_view rest = {};     // what follows the path: empty, or a blank and the parameters
  bool utf8 = false;              // octets beyond ASCII, in the route too; they are valid UTF-8
};

enum class PathFault : uint8_t {
  none,
  syntax,
  too_long,  // RFC 5321 4.5.3.1.3: 256 octets
  not_utf8,  // octets beyond ASCII that are not UTF-8
};

// `text` is what follows "FROM:" or "TO:". "<Postmaster>" has no domain (RFC 5321 4.1.1.3).
PathFault parse_path(std::string_view text, Path& path);

}  // namespace lsmtpd::smtp
