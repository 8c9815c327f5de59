// SPDX-License-Identifier: Apache-2.0
// Formats one log line, as text or as JSON. No state: log.cpp calls it on the thread that logs.
//
//   2026-11-22T01:38:39.271Z info accepted id=f6f326ce-... sender="a b@example.org"
//   {"time":"2026-11-22T01:38:39.271Z","level":"info","message":"accepted","id":"f6f326ce-..."}
//
// Any value stays inside its field, and the line stays one line of valid UTF-8.
// Text shows unprintable octets as \xNN. JSON carries valid text exactly, and invalid bytes as the
// four characters \xNN. Values longer than kMaxValue bytes are cut and end in "...", so that the
// queue has a bound.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "log/log.hpp"

namespace lsmtpd::log {

inline constexpr size_t kMaxValue = 1024;

struct Line {
  std::chrono::system_clock::time_point time;
  Level level;
  std::string_view message;
  std::span<const Field> fields;
};

std::string_view level_name(Level level);

// Each appends the line with its LF. Any thread.
void append_text(std::string& text, const Line& line);
void append_json(std::string& text, const Line& line);

}  // namespace lsmtpd::log
