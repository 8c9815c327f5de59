// SPDX-License-Identifier: Apache-2.0
// The options of output_amqp091 in the form that everything else here uses
// (amqp091_option_table.hpp declares them). Those of every output to a broker are the base class.
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Immutable once the instance has started, shared by the lanes.
#pragma once

#include <cstdint>
#include <log_lines/outage_lines.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/broker_lane.hpp>
#include <sink/client_options.hpp>
#include <sink/copies.hpp>
#include <sink/source.hpp>
#include <string>

namespace lsmtpd::amqp091 {

using namespace sink;  // the parts that outputs to a broker share

struct Options : ClientOptions {
  TargetOptions target;  // by exchange and routing key
  std::string declare;   // "quorum", "classic", or empty
  bool unroutable_is_final = false;
  Format format = Format::json;
  bool extra = true;             // JSON keys beyond LSMTPD's own
  bool copy_message_id = false;  // message-id is the copy's id, not the message's
  std::uint64_t max_message = 0;
  std::uint32_t property_limit = 0;  // bytes of smtp_rcpt_to; of all annotations together

  std::string vhost;
  std::string mechanisms;  // separated by spaces
  bool allow_lossy_target = false;
  bool allow_unsynced_target = false;
  std::uint16_t heartbeat = 0;  // seconds; 0: none
  std::uint32_t channels = 0;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

// The lanes of one instance share it. Made and destroyed by the instance, which outlives its
// lanes.
struct Shared : SharedByLanes {
  Options options;
  // Of connection.blocked, which the broker tells each worker.
  log_lines::OutageLines alarm;
};

}  // namespace lsmtpd::amqp091
