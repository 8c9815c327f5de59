// SPDX-License-Identifier: Apache-2.0
// `lsmtpd claims`: what lies in the store of claim_check. It works beside a running daemon, and
// beside consumers: objects that vanish meanwhile are skipped. [main]
#pragma once

#include <lsmtpd/sdk/config.hpp>
#include <string_view>
#include <vector>

namespace lsmtpd::sink {

inline constexpr const char* kClaimsUsage =
    "(nothing)                 lists the bodies that claim_check stored: key, octets, age in "
    "seconds\n"
    "--orphans AGE             lists those that are older (90s, 30m, 12h, 7d)\n"
    "  [--spool DIR]...        and whose copy waits in no such directory of output_json_spool\n"
    "  [--delete]              and deletes them\n";

// The exit status: 0, 1 (failed) or 2 (wrong usage).
int run_claims(sdk::Config config, const std::vector<std::string_view>& arguments,
               sdk::Terminal terminal);

}  // namespace lsmtpd::sink
