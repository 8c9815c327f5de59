// SPDX-License-Identifier: Apache-2.0
// Checks of the text before toml++ parses it.
//
// Characters beyond ASCII outside of strings and comments are not TOML; mostly they were pasted
// with a line from a web page. toml++ 3.3 does not define what it does with them, and people cannot
// see a no-break space. Keys of very many parts and deep nesting would exhaust the stack: toml++
// and the walks over its tree are recursive, and its own limit counts values only.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "config/config.hpp"

namespace lsmtpd::config {

// Parts of a key ("a.b" has two), and brackets that are open at once.
inline constexpr size_t kMostNesting = 32;

// The first such character, if `text` is valid TOML up to there. Bytes that are not UTF-8 are left
// to toml++.
std::optional<Diagnostic> find_stray(std::string_view text);

// The first place that exceeds kMostNesting.
std::optional<Diagnostic> find_nesting(std::string_view text);

}  // namespace lsmtpd::config
