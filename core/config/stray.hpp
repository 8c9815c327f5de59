// SPDX-License-Identifier: Apache-2.0
// Characters beyond ASCII that stand outside of strings and comments, where TOML has none: mostly
// pasted with a line from a web page. Looked for before toml++ parses, because version 3.3 does not
// define what it does with them, and because people cannot see a no-break space.
#pragma once

#include <optional>
#include <string_view>

#include "config/config.hpp"

namespace lsmtpd::config {

// The first one, if `text` is valid TOML up to there. Bytes that are not UTF-8 are toml++'s to
// tell.
std::optional<Diagnostic> find_stray(std::string_view text);

}  // namespace lsmtpd::config
