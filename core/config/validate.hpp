// SPDX-License-Identifier: Apache-2.0
// Checks that need the whole configuration: names that refer to each other, and limits that
// contradict each other. For a file and for the environment alike.
#pragma once

#include "config/reader.hpp"

namespace lsmtpd::config {

// A name of a listener, plugin or chain: it stands in logs, metrics and file names.
bool is_name(std::string_view name);

void check(const Config& config, Diagnostics& diagnostics);

}  // namespace lsmtpd::config
