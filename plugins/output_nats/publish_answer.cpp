// SPDX-License-Identifier: Apache-2.0
#include "publish_answer.hpp"

#include <algorithm>
#include <iterator>

#include "answer_json.hpp"

namespace lsmtpd::nats {

namespace {

// err_code of the JetStream API.
constexpr int kTooLarge = 10054;  // message size exceeds maximum allowed
// Full: the stream, the account or the server.
constexpr int kFull[] = {
    10002,  // resource limits exceeded for account
    10023,  // insufficient resources
    10028,  // memory resources exceeded
    10047,  // insufficient storage resources available
    10077,  // the store failed: maximum messages, bytes or messages per subject exceeded
};

Outcome refused(const Json& error) {
  const std::string detail = "refused: " + error.text("description") + " (code " +
                             error.digits("code") + ", err_code " + error.digits("err_code") + ")";
  const int code = static_cast<int>(error.number("err_code", 0));
  if (code == kTooLarge) {
    Outcome outcome;
    outcome.kind = sink::Kind::rejected;
    outcome.code = 552;
    outcome.enhanced = "5.3.4";
    outcome.text = "Message too large for the message broker";
    outcome.detail = detail;
    return outcome;
  }
  if (std::find(std::begin(kFull), std::end(kFull), code) != std::end(kFull))
    return sink::tempfail(452, "4.3.1", "Message broker is full", detail);
  return sink::tempfail(451, "4.3.0", "Message broker: not stored", detail);
}

}  // namespace

PublishAnswer read_answer(std::string_view body, std::string_view stream) {
  const Json answer = Json::parse(body);
  if (const Json error = answer.object("error"); error.is_object()) {
    Outcome outcome = refused(error);
    const bool full_or_large = outcome.code != 451;
    return {std::move(outcome), !full_or_large};
  }
  const bool stored = answer.text("stream") == stream && answer.number("seq", 0) > 0;
  if (!stored) {
    // Somebody may have stored it, but not who was asked.
    Outcome outcome = sink::tempfail(451, "4.3.0", "Message broker: not stored",
                                     "the answer is none of the stream");
    outcome.in_doubt = true;
    return {std::move(outcome), true};
  }
  Outcome outcome;
  outcome.kind = sink::Kind::stored;
  outcome.detail = "stream " + std::string(stream) + ", seq " + answer.digits("seq");
  if (answer.is_true("duplicate")) outcome.detail += ", it was there already";
  return {std::move(outcome), false};
}

PublishAnswer no_responders() {
  return {sink::tempfail(451, "4.3.0", "Message broker: no stream for this message",
                         "503: no stream takes the subject, or JetStream is off"),
          true};
}

Outcome lost_unanswered(std::string_view why) {
  Outcome outcome = sink::tempfail(451, "4.4.2", "Message broker not available",
                                   "connection lost while unacknowledged: " + std::string(why));
  outcome.in_doubt = true;
  return outcome;
}

Outcome not_permitted(std::string_view why) {
  return sink::tempfail(451, "4.3.0", "Message broker: not permitted", std::string(why));
}

Outcome no_subject(std::string_view fault) {
  Outcome outcome;
  outcome.kind = sink::Kind::rejected;
  outcome.code = 550;
  outcome.enhanced = "5.1.3";
  outcome.text = "Address cannot be part of a subject of the message broker";
  outcome.detail = "the subject " + std::string(fault);
  return outcome;
}

}  // namespace lsmtpd::nats
