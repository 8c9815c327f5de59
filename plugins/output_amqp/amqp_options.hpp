// SPDX-License-Identifier: Apache-2.0
// The options of output_amqp: the parsed form that everything else here uses (amqp_option_table.hpp
// declares them).
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Secrets out of files are read by load_password() when the instance starts.
// Immutable afterwards, shared by the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "address.hpp"
#include "url.hpp"

namespace lsmtpd::amqp {

enum class Format { json, rfc822 };
enum class Verify { name, certificate, none };

struct TlsOptions {
  std::string ca;           // file or directory; empty: the system's
  std::string certificate;  // the client's, PEM; empty: none
  std::string key;
  std::string key_password;
  Verify verify = Verify::name;
  std::string name;  // expected in the certificate; empty: the host of the URL
  bool only_1_3 = false;
};

struct Options {
  std::vector<Url> urls;
  Template address;  // one of these two ways to name the target
  bool by_exchange = false;
  Template exchange;
  Template routing_key;
  bool split = false;  // one copy for each recipient
  Format format = Format::json;
  bool extra = true;                 // JSON keys beyond LSMTPD's own
  bool copy_message_id = false;      // message-id is the copy's id, not the message's
  std::uint32_t property_limit = 0;  // bytes of smtp_rcpt_to; of all annotations together

  std::string username;
  std::string password;
  std::string password_file;
  std::string mechanisms;  // separated by spaces
  TlsOptions tls;

  std::string virtual_host;
  std::string process_tag;  // random, the same for all lanes: no other process has these names
  std::string container_id;
  std::string link_name;
  std::uint8_t durability = 1;
  std::vector<std::string> capabilities;
  bool allow_lossy_target = false;
  bool allow_unsynced_target = false;

  std::chrono::milliseconds idle_timeout{0};
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds reconnect_first{0};
  std::chrono::milliseconds reconnect_last{0};
  std::chrono::milliseconds stall{0};
  std::uint32_t max_frame_size = 0;
  std::uint32_t in_flight = 0;
  std::uint64_t in_flight_bytes = 0;
  std::uint32_t queue = 0;
  std::uint32_t links = 0;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

// Reads password_file, where it is set. False: it could not be read.
bool load_password(Options* options, sdk::Report report);

// The content of a password file without its line end, or why it cannot be read. Never waits: what
// is no regular file is refused.
tl::expected<std::string, std::string> read_password_file(const std::string& path);

// A name's part that no other process has.
std::string random_tag();

}  // namespace lsmtpd::amqp
