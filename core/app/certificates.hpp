// SPDX-License-Identifier: Apache-2.0
// The certificates of [tls], as an operator is told of them. [main]
#pragma once

#include <cstdint>
#include <string>

#include "app/preflight.hpp"
#include "io/tls_certificates.hpp"

namespace lsmtpd::app {

// Reads the certificates again if their files have changed, and logs what came of it. The daemon
// calls it every minute; a reload may call it too.
void renew_certificates(io::TlsCertificates& certificates);

// For `check`: reads them, and warns of what makes clients stop delivering.
void check_certificates(const config::Config& config, Diagnostics& diagnostics);

// For `check --live`: prints each certificate with the digest of its key for a TLSA record, and
// asks each listener that has TLS, where one answers, which it shows. Returns the exit status.
int check_tls_live(const config::Config& config);

// "2026-12-01T09:30:00Z"
std::string utc_text(int64_t seconds);

}  // namespace lsmtpd::app
