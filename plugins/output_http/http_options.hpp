// SPDX-License-Identifier: Apache-2.0
// The options of output_http in the form that everything else here uses (http_option_table.hpp
// declares them).
//
// parse_options() is pure and used twice: by check() [main], for what the table cannot say, and by
// the instance. Immutable once the instance has started, shared by the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <http/exchange.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <set>
#include <sink/copies.hpp>
#include <sink/source.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lsmtpd::output_http {

struct Options {
  std::string url;             // as it is written, for the log
  std::string origin;          // "https://example.org:8443"
  sink::TargetOptions target;  // its address: path and query
  bool tls = false;
  sink::Format format = sink::Format::json;
  bool extra = true;                 // JSON keys beyond LSMTPD's own
  std::vector<std::string> headers;  // "Name: value"
  std::uint32_t property_limit = 0;
  std::set<long> reject_status;  // 406, 410, 413, 415, 422 and the option's
  bool relay_text = false;
  std::uint64_t max_message = 0;  // 0: any
  std::uint64_t max_answer = 0;
  http::Peer peer;
  std::string token_file;
  std::vector<std::string> key_files;
  std::chrono::milliseconds reconnect_first{0};
  std::chrono::milliseconds reconnect_last{0};
  std::chrono::milliseconds stall{0};
  std::uint32_t connections = 0;
  std::uint64_t in_flight_bytes = 0;
  std::uint32_t queue = 0;
};

// Says what is wrong in `report`; false if there was anything.
bool parse_options(sdk::Config config, sdk::Report report, Options* options);

}  // namespace lsmtpd::output_http
