// SPDX-License-Identifier: Apache-2.0
// Checks of plugin options against other parts of the configuration, which no plugin sees before
// its start. [main]
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plugin/library.hpp"

namespace lsmtpd::app {

using Libraries = std::map<std::string, const plugin::Library*>;  // by plugin name

// Of two limits of a message's size the smaller one counts. Where both are written, the other is
// likely a mistake.
void check_size_filters(const config::Config& config, const Libraries& libraries,
                        std::vector<config::Diagnostic>& diagnostics);

// The tables of all entries that use filter_rate are taken from limits.memory at the start.
void check_rate_tables(const config::Config& config, const Libraries& libraries,
                       std::vector<config::Diagnostic>& diagnostics);

}  // namespace lsmtpd::app
