// SPDX-License-Identifier: Apache-2.0
// Prints the table of log events as it stands in docs/operations.md.
#include <cstdio>
#include <string>

#include "log/events.hpp"
#include "log/line.hpp"

namespace {

using lsmtpd::log::EventRow;

std::string levels_of(const EventRow& row) {
  std::string text(lsmtpd::log::level_name(row.level));
  if (row.other_level != row.level) {
    text += ", ";
    text += lsmtpd::log::level_name(row.other_level);
  }
  return text;
}

// As much as a cell of the table may have; the text below the table has the others.
std::string fields_of(const EventRow& row) {
  constexpr size_t kLongestCell = 160;
  std::string text;
  size_t last = 0;  // where the last field that leaves room for ", ..." ends
  for (const char c : row.fields) {
    if (c == ' ') {
      if (text.size() + 5 <= kLongestCell) last = text.size();
      text += ", ";
    } else {
      text += c;
    }
  }
  return text.size() <= kLongestCell ? text : text.substr(0, last) + ", ...";
}

}  // namespace

int main() {
  std::puts("| event | level | when | fields | what to do |\n| --- | --- | --- | --- | --- |");
  for (const EventRow& row : lsmtpd::log::kEvents) {
    const std::string line = "| `" + std::string(row.word) + "` | " + levels_of(row) + " | " +
                             std::string(row.when) + " | " + fields_of(row) + " | " +
                             std::string(row.action) + " |";
    std::puts(line.c_str());
  }
}
