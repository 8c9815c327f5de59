// SPDX-License-Identifier: Apache-2.0
// Small text functions that several folders of core/ use and no library provides.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lsmtpd {

// ASCII only, as protocol keywords and configuration keys are (RFC 5321 2.4).
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string to_upper(std::string_view text);

// "10MiB", "64KiB", "1GiB", "512" or "512B": bytes. Binary units only: "MB" could mean either.
Result<uint64_t> parse_size(std::string_view text);
std::string format_size(uint64_t bytes);

// "30s", "500ms", "5m", "2h", "5d", or "0": milliseconds.
Result<uint64_t> parse_duration(std::string_view text);
std::string format_duration(uint64_t milliseconds);

// Returns the nearest candidate (optimal string alignment), or empty text when none is near.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates);

// Makes text from a client or a broker fit for one log line: control characters, quotes,
// backslashes and invalid UTF-8 become \xNN escapes.
std::string escape_for_log(std::string_view text);
// The same for a plugin's sentence, which may quote something: its quotation marks stay.
std::string escape_sentence(std::string_view text);
// Returns how many octets at the front it leaves unchanged; at most the leading ASCII octets.
size_t plain_prefix(std::string_view text);

// Length of the UTF-8 sequence at text[0] (1 to 4), or 0 where it is invalid (RFC 3629: no overlong
// forms, no surrogates).
size_t utf8_sequence(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace lsmtpd
