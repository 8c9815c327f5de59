// SPDX-License-Identifier: Apache-2.0
// The options that every output to a broker has, in their parsed form: brokers, credentials, TLS,
// timeouts, limits. The plugins' tables of options declare them by the same names.
//
// parse_client_options() is pure; load_password() reads a file. Immutable once the instance has
// started, shared by the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <vector>

#include "claim_options.hpp"
#include "template.hpp"
#include "tls_options.hpp"
#include "url.hpp"

namespace lsmtpd::sink {

struct ClientOptions {
  std::vector<Url> urls;
  std::string username;
  std::string password;
  std::string password_file;
  TlsOptions tls;
  bool spread = true;                      // over urls and addresses; false: in their order
  std::chrono::milliseconds rebalance{0};  // 0: never
  std::uint32_t connect_rate = 0;          // a second, to one address
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds reconnect_first{0};
  std::chrono::milliseconds reconnect_last{0};
  std::chrono::milliseconds stall{0};
  std::uint32_t in_flight = 0;
  std::uint64_t in_flight_bytes = 0;
  std::uint32_t queue = 0;
  ClaimOptions claim_check;
};

// Takes an option's template out of the configuration. False: it says why in `report`.
bool parse_template(sdk::Config config, sdk::Report report, const char* key, Template* out);

// The options tls_..., without tls_name, which not all have. False: something is wrong, and
// `report` has it.
bool parse_tls_options(sdk::Config config, sdk::Report report, TlsOptions* options);

// False: something is wrong, and `report` has it. `kind` outlives the options.
bool parse_client_options(sdk::Config config, sdk::Report report, ClientOptions* options,
                          const UrlKind& kind = kAmqpUrls);

// The same without `urls`, `tls_name` and `tls_min_version`: for a client library with its own form
// of addresses, and its own TLS.
bool parse_peer_options(sdk::Config config, sdk::Report report, ClientOptions* options);

// Reads password_file, where it is set. False: it could not be read.
bool load_password(ClientOptions* options, sdk::Report report);

// A part of a name that no other process has.
std::string random_tag();

}  // namespace lsmtpd::sink
