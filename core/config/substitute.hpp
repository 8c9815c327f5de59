// SPDX-License-Identifier: Apache-2.0
// `${NAME}` in a string value stands for the environment variable NAME, so that secrets need not be
// in the file; `$${` is a literal `${`. The variable's value is not searched for `${` again.
// "credential:NAME" stands for the path of a file that systemd passes to the service by that name
// (LoadCredential=, systemd.exec(5)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/tree.hpp"

namespace lsmtpd::config {

Result<std::string> substitute(std::string_view text);

// In every string below `table`. A string that cannot be replaced is marked broken. [main]
void substitute(Table& table, std::vector<Diagnostic>& diagnostics);

// The inverse: substitute() turns the result into `text` again.
std::string protect(std::string_view text);

}  // namespace lsmtpd::config
