// SPDX-License-Identifier: Apache-2.0
// The options of output_kafka in the form that everything else here uses (kafka_option_table.hpp
// declares them). Those of every output to a broker are the base class.
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Immutable once the instance has started, shared by the lanes.
#pragma once

#include <cstdint>
#include <log_lines/outage_lines.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/claims.hpp>
#include <sink/client_options.hpp>
#include <sink/copies.hpp>
#include <sink/outage.hpp>
#include <sink/source.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::kafka {

using namespace sink;  // the parts that outputs to a broker share

struct Options : ClientOptions {
  std::vector<std::string> brokers;  // "host:port", "[::1]:port"
  TargetOptions target;              // by exchange, the topic, and routing key, the key
  bool with_key = false;
  bool use_tls = false;
  std::string mechanism;  // of SASL; empty: none
  Format format = Format::json;
  bool extra = true;                 // JSON keys beyond LSMTPD's own
  std::uint32_t property_limit = 0;  // bytes of smtp_rcpt_to; of all annotations together
  bool allow_lossy_target = false;
  std::uint32_t topics = 0;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

// A name that Kafka allows: 1 to 249 letters, digits, ".", "_" and "-"; not "." and "..".
bool is_topic_name(std::string_view name);

// The lanes of one instance share it. Made and destroyed by the instance, which outlives its lanes.
struct Shared {
  Options options;
  Outage reach{kReachWords};
  Outage targets{kTargetWords};
  std::unique_ptr<Claims> claims;  // null: no body is stored apart
  log_lines::OutageLines denied;   // reports that say that the user may not write
};

}  // namespace lsmtpd::kafka
