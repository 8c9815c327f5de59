// SPDX-License-Identifier: Apache-2.0
// The JSON with which the application answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace filter_http {

using Pair = std::pair<std::string, std::string>;

struct Answer {
  uint32_t kind = 0;  // LSMTPD_CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD
  uint32_t code = 0;
  std::string enhanced, text;
  std::vector<Pair> annotations;  // by key, without the plugin's name
  std::vector<Pair> add, change;  // header fields: name and value
  std::vector<std::string> remove;

  bool edits_header() const { return !add.empty() || !change.empty() || !remove.empty(); }
};

// Bytes on the heap, for the cache.
uint64_t cost_of(const Answer& answer);

// Returns what is wrong with the JSON; "": `answer` is filled in. Values are bounded: texts 1 KiB,
// fields 8 KiB, 100 of each.
std::string parse_answer(std::string_view json, Answer& answer);

// "Name: value" with its CRLF; folded nowhere.
std::string field(const Pair& pair);

}  // namespace filter_http
