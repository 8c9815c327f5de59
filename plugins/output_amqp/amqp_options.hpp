// SPDX-License-Identifier: Apache-2.0
// The options of output_amqp: the parsed form that everything else here uses (amqp_option_table.hpp
// declares them). Those of every output to a broker are the base class.
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Immutable once the instance has started, shared by the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <sink/client_options.hpp>
#include <sink/copies.hpp>
#include <sink/source.hpp>
#include <string>
#include <vector>

#include "message_fields.hpp"

namespace lsmtpd::amqp {

using namespace sink;  // the parts that outputs to a broker share

struct Options : ClientOptions {
  TargetOptions target;
  bool anonymous_terminus = false;  // one link without a target, for all of them
  Format format = Format::json;
  bool extra = true;             // JSON keys beyond LSMTPD's own
  bool copy_message_id = false;  // message-id is the copy's id, not the message's
  MessageFields fields;
  std::uint32_t property_limit = 0;  // bytes of smtp_rcpt_to; of all annotations together

  std::string mechanisms;  // separated by spaces
  std::string virtual_host;
  std::string process_tag;  // random, the same for all lanes: no other process has these names
  std::string container_id;
  std::string link_name;
  std::uint8_t durability = 1;
  std::vector<std::string> capabilities;
  bool allow_lossy_target = false;
  bool allow_unsynced_target = false;

  std::chrono::milliseconds idle_timeout{0};
  std::uint32_t max_frame_size = 0;
  std::uint32_t links = 0;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

}  // namespace lsmtpd::amqp
