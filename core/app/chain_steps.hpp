// SPDX-License-Identifier: Apache-2.0
// Checks the steps of chains and routes against what their plugins are. [main]
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plugin/instance.hpp"

namespace lsmtpd::app {

// Filters stand before outputs, and at least one output ends the steps; session filters stand in
// chains only. `instances`: by plugin name; one that is missing has been reported.
void check_chain_steps(const config::Config& config,
                       const std::map<std::string, std::shared_ptr<plugin::Instance>>& instances,
                       std::vector<config::Diagnostic>& diagnostics);

}  // namespace lsmtpd::app
