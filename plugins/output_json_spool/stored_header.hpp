// SPDX-License-Identifier: Apache-2.0
// Looks for one field of a message's header (RFC 5322).
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

// The value of the first field of that name, unfolded, without blanks around it; empty: none.
std::string header_field(std::string_view header, std::string_view name);

// True if `text` has `part` in it, whatever the case of ASCII letters.
bool contains_text(std::string_view text, std::string_view part);

// True if `text` is `pattern`, in which "*" stands for any characters, whatever the case of ASCII
// letters.
bool matches_pattern(std::string_view text, std::string_view pattern);

std::string in_small_letters(std::string_view text);

}  // namespace lsmtpd::json_spool
