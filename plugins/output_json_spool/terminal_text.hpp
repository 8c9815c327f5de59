// SPDX-License-Identifier: Apache-2.0
// Text that came from anywhere, made safe for a terminal: control characters, what is not UTF-8,
// and the characters that turn text around are shown as \xNN.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

std::string terminal_text(std::string_view text);

// The same for several lines: CRLF and LF end lines, TAB stays.
std::string terminal_lines(std::string_view text);

}  // namespace lsmtpd::json_spool
