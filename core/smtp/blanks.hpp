// SPDX-License-Identifier: Apache-2.0
// Blanks between the words of a command line: SP as RFC 5321 has it, and tab as old clients do.
#pragma once

#include <string_view>

namespace lsmtpd::smtp {

inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

inline std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

inline std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace lsmtpd::smtp
