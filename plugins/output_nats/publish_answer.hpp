// SPDX-License-Identifier: Apache-2.0
// From what the server said of a published message to the outcome of its copy. Pure.
#pragma once

#include <sink/copy_outcome.hpp>
#include <string>
#include <string_view>

namespace lsmtpd::nats {

using sink::Outcome;

struct PublishAnswer {
  Outcome outcome;
  // It may be the stream that has changed or is gone: ask for it again.
  bool look_at_stream = false;
};

// The body of the answer: {"stream":"MAIL","seq":7}, with "duplicate":true where the server has it
// already, or {"error":{"code":503,"err_code":10077,"description":"..."}}.
PublishAnswer read_answer(std::string_view body, std::string_view stream);
// 503 without a body: no stream takes the subject, or JetStream is off.
PublishAnswer no_responders();
// Published, and the connection ended before the answer.
Outcome lost_unanswered(std::string_view why);
// "Permissions Violation for Publish to ...": the message was dropped.
Outcome not_permitted(std::string_view why);
// 550 5.1.3
Outcome no_subject(std::string_view fault);

}  // namespace lsmtpd::nats
