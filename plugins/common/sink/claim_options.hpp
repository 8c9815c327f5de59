// SPDX-License-Identifier: Apache-2.0
// The option `claim_check` of the outputs to brokers: where bodies go that are too large for a
// message.
//
// parse_claim_options() is pure; check_claim_store() looks at the file system. Immutable once the
// instance has started.
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>

namespace lsmtpd::sink {

struct ClaimOptions {
  bool on = false;
  std::uint64_t above = 0;
  std::string directory;  // absolute
};

inline constexpr lsmtpd_option kClaimColumns[] = {
    sdk::option::size("above", "256KiB", "bodies above this, as published, are stored apart", 4096),
    sdk::option::path("directory", nullptr, "where they are stored; it must be there"),
};

// The row of a plugin's table.
inline constexpr lsmtpd_option kClaimOption =
    sdk::option::tables("claim_check", kClaimColumns,
                        "store large bodies apart and publish a reference: { above = \"256KiB\", "
                        "directory = \"/path\" }");

// False: something is wrong, and `report` has it.
bool parse_claim_options(sdk::Config config, sdk::Report report, ClaimOptions* options);

// Whether this process can use the directory. [main]
void check_claim_store(const ClaimOptions& options, sdk::Report report);

}  // namespace lsmtpd::sink
