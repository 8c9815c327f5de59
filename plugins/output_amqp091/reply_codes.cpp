// SPDX-License-Identifier: Apache-2.0
#include "reply_codes.hpp"

#include <algorithm>
#include <iterator>

namespace lsmtpd::amqp091 {

namespace {

// Reply codes (specification, 1.2) whose cause passes by itself, whatever the message is.
constexpr std::string_view kPass[] = {
    "320",  // CONNECTION_FORCED: the broker closes down, or an operator closed the connection
    "403",  // ACCESS_REFUSED: a permission that the operator forgot
    "404",  // NOT_FOUND: the exchange was deleted
    "405",  // RESOURCE_LOCKED
    "506",  // RESOURCE_ERROR
};

}  // namespace

Outcome confirmed() {
  Outcome outcome;
  outcome.kind = sink::Kind::stored;
  return outcome;
}

Outcome nacked() {
  return sink::tempfail(451, "4.3.0", "Message broker: not confirmed",
                        "basic.nack: the queue is full (overflow = reject-publish), or its process "
                        "has failed");
}

Outcome unroutable(const Returned& returned, bool final) {
  Outcome outcome = sink::tempfail(
      451, "4.3.0", "Message broker: no queue for this recipient",
      "returned: " + std::to_string(returned.code) + " " + returned.text + ": exchange \"" +
          returned.exchange + "\" has no queue for routing key \"" + returned.routing_key + "\"");
  if (!final) return outcome;
  outcome.kind = sink::Kind::rejected;
  outcome.code = 550;
  outcome.enhanced = "5.1.1";
  return outcome;
}

Outcome lost_unconfirmed(std::string_view why) {
  const bool passes =
      std::find(std::begin(kPass), std::end(kPass), why.substr(0, 3)) != std::end(kPass);
  Outcome outcome = sink::tempfail(451, passes ? "4.3.0" : "4.4.2", "Message broker not available",
                                   "channel lost while unconfirmed: " + std::string(why));
  outcome.in_doubt = true;
  outcome.cause_passes = passes;
  return outcome;
}

Outcome key_too_long(std::size_t octets) {
  Outcome outcome;
  outcome.kind = sink::Kind::rejected;
  outcome.code = 550;
  outcome.enhanced = "5.1.3";
  outcome.text = "Address too long for the message broker";
  outcome.detail = "a routing key of " + std::to_string(octets) + " octets; AMQP 0-9-1 allows 255";
  return outcome;
}

}  // namespace lsmtpd::amqp091
