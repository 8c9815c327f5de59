// SPDX-License-Identifier: Apache-2.0
// The options of output_nats in the form that everything else here uses (nats_option_table.hpp
// declares them). Those of every output to a broker are the base class.
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Immutable once the instance has started, shared by the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/broker_lane.hpp>
#include <sink/client_options.hpp>
#include <sink/copies.hpp>
#include <sink/source.hpp>
#include <string>

namespace lsmtpd::nats {

using namespace sink;  // the parts that outputs to a broker share

struct Options : ClientOptions {
  TargetOptions target;  // the stream stands as exchange, the subject as routing key
  std::string stream;
  std::string subject;  // where it is fixed, else empty
  Format format = Format::json;
  bool extra = true;  // JSON keys beyond LSMTPD's own
  std::uint64_t max_message = 0;
  std::uint32_t property_limit = 0;  // bytes of smtp_rcpt_to; of all annotations together

  std::string token_file;
  std::string credentials_file;
  std::string inbox_prefix;
  bool assume_synced = false;
  bool allow_lossy_target = false;
  std::chrono::milliseconds check_interval{0};
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

// The files of credentials, looked at before a start. [main]
void check_credentials(const Options& options, sdk::Report report);

// The lanes of one instance share it. Made and destroyed by the instance, which outlives its
// lanes.
struct Shared : SharedByLanes {
  Options options;
};

}  // namespace lsmtpd::nats
