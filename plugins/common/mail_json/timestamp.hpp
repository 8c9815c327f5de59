// SPDX-License-Identifier: Apache-2.0
// RFC 3339 times as LSMTPD writes them: UTC, nanoseconds, "+00:00".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::mail_json {

// "2026-11-22T01:38:39.271215996+00:00"
std::string format_timestamp(std::int64_t ns);

// Any RFC 3339 time: 0 to 9 digits of a second, "Z" or an offset.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace lsmtpd::mail_json
