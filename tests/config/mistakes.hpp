// SPDX-License-Identifier: Apache-2.0
// A mistake in a file and the exact lines it is answered with: what diagnostics_test.cpp and
// references_test.cpp list, and diagnostics_test.cpp runs.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace lsmtpd::config {

inline std::vector<std::string> shown(const std::string& text) {
  const Loaded loaded = load_text(text, "f");
  std::vector<std::string> lines;
  for (const Diagnostic& one : loaded.diagnostics) lines.push_back(format(one, "f"));
  return lines;
}

// Stands below each case, so that the case's own lines keep their numbers.
inline constexpr auto sound_rest = R"(
[[listener]]
address = "127.0.0.1:0"
[plugin.store]
use = "output_json_spool"
[chain.default]
steps = ["store"]
)";

struct Case {
  const char* name;
  const char* text;
  std::vector<std::string> expected;
};

inline void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class Mistakes : public testing::TestWithParam<Case> {};

inline std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

}  // namespace lsmtpd::config
