// SPDX-License-Identifier: Apache-2.0
// The key table as text: the tables of docs/configuration.md and lsmtpd.toml(5).
#pragma once

#include <string>

#include "base/result.hpp"

namespace lsmtpd::config {

// Of `document`, Markdown or, where it begins with ".TH" or a roff comment, a man page: with the
// text between each pair of lines "keys: SECTION" and "end of keys" (in a comment of the language)
// taken from the key table. An error names a section without such a pair, or an unknown one.
Result<std::string> with_key_tables(const std::string& document);

}  // namespace lsmtpd::config
