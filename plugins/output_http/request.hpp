// SPDX-License-Identifier: Apache-2.0
// One copy on its way as one POST. [loop]
#pragma once

#include <http/exchange.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/job.hpp>
#include <string>

#include "request_body.hpp"
#include "shared.hpp"

namespace lsmtpd::output_http {

struct Request {
  Request(sink::Part* sent, const Options& options, std::unique_ptr<RequestBody> bytes,
          sdk::Reservation reserved, const std::string& user_agent);

  // The fields, and the bytes; then it can go.
  void fill(const Options& options, const Secrets::Current& secrets, const Signature& signature);
  // All of it was sent, so the server may have the message.
  bool sent_whole() const;
  // The reason why there is no answer.
  std::string problem(CURLcode result) const;

  sink::Part* part;
  std::unique_ptr<RequestBody> body;
  ProducedBody* produced = nullptr;  // `body`, where it is one
  sdk::Reservation memory;
  std::string given_up;  // the lane's reason to end it
  http::Exchange exchange;
};

}  // namespace lsmtpd::output_http
