// SPDX-License-Identifier: Apache-2.0
// `lsmtpd spool`: works beside a running daemon. Messages that vanished meanwhile are skipped; they
// are read one by one, in bounded memory. Only move and import keep a daemon out, of the directory
// from which messages go. [main]
#pragma once

#include <lsmtpd/sdk/config.hpp>

#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "spool_settings.hpp"

namespace lsmtpd::json_spool {

// The exit status: 0, 1 (failed) or 2 (wrong usage).
int run_command(const Settings& settings, const std::vector<std::string_view>& arguments,
                const sdk::Terminal& terminal);

}  // namespace lsmtpd::json_spool
