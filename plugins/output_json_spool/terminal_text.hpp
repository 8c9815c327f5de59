// SPDX-License-Identifier: Apache-2.0
// Makes untrusted text safe for a terminal: control characters, invalid UTF-8 and characters that
// change the direction of text are shown as \xNN.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

std::string terminal_text(std::string_view text);

// The same for several lines: CRLF and LF end lines, TAB stays.
std::string terminal_lines(std::string_view text);

}  // namespace lsmtpd::json_spool
