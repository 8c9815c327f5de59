// SPDX-License-Identifier: Apache-2.0
#include "request.hpp"

#include "request_header.hpp"

namespace lsmtpd::output_http {

namespace {

constexpr std::uint64_t kKeptAnswer = 1024;         // its first line may go to the client
constexpr std::chrono::milliseconds kNoTimeout{0};  // the host has a deadline, StallWatch the rest

}  // namespace

Request::Request(sink::Part* sent, const Options& options, std::unique_ptr<RequestBody> bytes,
                 sdk::Reservation reserved, const std::string& user_agent)
    : part(sent),
      body(std::move(bytes)),
      produced(dynamic_cast<ProducedBody*>(body.get())),
      memory(std::move(reserved)),
      exchange(options.peer, options.origin + sent->routing_key, options.max_answer, kKeptAnswer,
               kNoTimeout, user_agent) {}

void Request::fill(const Options& options, const Secrets::Current& secrets,
                   const Signature& signature) {
  for (const std::string& line : fields_of(*part, options)) exchange.header(line);
  for (const std::string& line : options.headers) exchange.header(line);
  if (!secrets.token.empty()) exchange.header("Authorization: Bearer " + secrets.token);
  if (!signature.text.empty()) {
    exchange.header("webhook-id: " + part->copy_id);
    exchange.header("webhook-timestamp: " + std::to_string(signature.timestamp));
    exchange.header("webhook-signature: " + signature.text);
  }
  exchange.stream(*body, body->size());
}

bool Request::sent_whole() const {
  return body->whole() && exchange.request_begun();
}

std::string Request::problem(CURLcode result) const {
  return given_up.empty() ? exchange.problem(result) : given_up;
}

}  // namespace lsmtpd::output_http
