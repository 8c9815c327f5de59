// SPDX-License-Identifier: Apache-2.0
// `lsmtpd check --live`: resolves the server's name, connects, does the handshake of TLS. No
// request is made, since each is a message. [loop]
#pragma once

#include <http/exchange.hpp>
#include <http/multi.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <string_view>

#include "http_options.hpp"

namespace lsmtpd::output_http {

// How far an exchange came that failed with `result`: "resolve", "connect", "tls", "answer".
std::string_view step_of(http::Exchange& exchange, CURLcode result);

class ProbeConnection {
 public:
  // Answers the call, later.
  ProbeConnection(const sdk::LaneHost& host, const Options& options, sdk::Call call,
                  sdk::ProbeReport report);
  ~ProbeConnection();

 private:
  void finished(CURLcode result);
  void passed();

  const Options& options_;
  sdk::Call call_;
  sdk::ProbeReport report_;
  http::Multi multi_;
  http::Exchange exchange_;
};

}  // namespace lsmtpd::output_http
