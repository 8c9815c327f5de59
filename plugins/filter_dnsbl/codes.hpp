// SPDX-License-Identifier: Apache-2.0
// The addresses with which a list answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace filter_dnsbl {

// An IPv4 address as a number.
using Code = uint32_t;

constexpr Code kErrorFirst = 0x7fffff00;  // 127.255.255.0/24: the list's own errors
constexpr Code kErrorLast = 0x7fffffff;

inline bool is_list_answer(Code code) {
  return code >> 24 == 127;  // RFC 5782 2.1: anything else is no answer of a list
}
inline bool is_list_error(Code code) {
  return code >= kErrorFirst && code <= kErrorLast;
}
std::string code_text(Code code);

// Which answers of a list count.
class CodeSet {
 public:
  // Adds "127.0.0.2", "127.0.0.2-127.0.0.11" or "127.0.0.0/24". Returns the problem; "": none.
  std::string add(std::string_view text);
  // Of an empty set every answer in 127.0.0.0/8 counts; an error of the list never does.
  bool counts(Code code) const;

 private:
  struct Range {
    Code first, last;
  };
  std::vector<Range> ranges_;
};

}  // namespace filter_dnsbl
