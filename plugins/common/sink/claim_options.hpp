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

#include "s3_options.hpp"

namespace lsmtpd::sink {

struct ClaimOptions {
  bool on = false;
  std::uint64_t above = 0;
  std::string directory;  // absolute; empty: the bucket
  S3Options s3;
};

inline constexpr lsmtpd_option kClaimColumns[] = {
    sdk::option::size("above", "256KiB", "bodies above this, as published, are stored apart", 4096),
    sdk::option::path("directory", nullptr, "where they are stored; it must be there"),
    sdk::option::string("s3", nullptr,
                        "or a bucket: https://HOST/BUCKET or https://HOST/BUCKET/PREFIX"),
    sdk::option::string("region", "us-east-1", "the bucket's region"),
    sdk::option::path("access_key_file", nullptr, "file with the access key; read at each request"),
    sdk::option::path("secret_key_file", nullptr, "file with the secret key; read at each request"),
    sdk::option::duration("timeout", "30s", "for one request to the bucket", 100, 600000),
    sdk::option::path("tls_ca", nullptr,
                      "trusted certificates, file or directory; unset: the system's"),
    sdk::option::path("tls_certificate", nullptr, "client certificate, PEM"),
    sdk::option::path("tls_key", nullptr, "its private key, PEM"),
    sdk::option::secret("tls_key_password", nullptr, "password of the private key"),
    sdk::option::one_of("tls_verify", "name certificate none", "name",
                        "what is checked of the server's certificate"),
    sdk::option::one_of("tls_min_version", "1.2 1.3", "1.2", "oldest TLS version allowed"),
};

// The row of a plugin's table.
inline constexpr lsmtpd_option kClaimOption =
    sdk::option::tables("claim_check", kClaimColumns,
                        "store large bodies apart and publish a reference: { above = \"256KiB\", "
                        "directory = \"/path\" }, or s3 = \"https://HOST/BUCKET\"");

// False: something is wrong, and `report` has it.
bool parse_claim_options(sdk::Config config, sdk::Report report, ClaimOptions* options);

// Whether this process can use the directory, or the files that the bucket needs. [main]
void check_claim_store(const ClaimOptions& options, sdk::Config config, sdk::Report report);

}  // namespace lsmtpd::sink
