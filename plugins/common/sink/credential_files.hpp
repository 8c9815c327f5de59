// SPDX-License-Identifier: Apache-2.0
// The files that options name, looked at before a start: password, certificates, key.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

namespace lsmtpd::sink {

// Reports an error for each file that this process cannot read or that holds something else, and a
// warning for a secret that every user of the machine can read. [main]
void check_files(sdk::Config config, sdk::Report report);
// Those of TLS only.
void check_tls_files(sdk::Config config, sdk::Report report);

}  // namespace lsmtpd::sink
