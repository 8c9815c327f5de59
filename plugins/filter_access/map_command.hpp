// SPDX-License-Identifier: Apache-2.0
// `lsmtpd map`: makes a mapped list of a text, and looks entries up in a list.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <string_view>
#include <vector>

namespace lsmtpd::access {

inline constexpr const char* kMapUsage =
    "FILE [-o MAP]           makes the list FILE.map of the text FILE: filter_access maps it\n"
    "--look-up WORD FILE     the entry of a list (text or mapped) for an address or a name\n"
    "The new list takes the place of the old one at once; a daemon that uses it notices.\n";

// Returns the exit status: 0, 1 (failed, or not found), 2 (wrong usage).
int run_map(const std::vector<std::string_view>& arguments, const sdk::Terminal& terminal);

}  // namespace lsmtpd::access
