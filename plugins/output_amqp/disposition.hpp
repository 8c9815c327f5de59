// SPDX-License-Identifier: Apache-2.0
// The outcome of a delivery: from the broker's answer to the plugin's verdict. One table; pure.
#pragma once

#include <sink/copy_outcome.hpp>
#include <string>
#include <string_view>

#include "product.hpp"

namespace lsmtpd::amqp {

using sink::Kind;
using sink::Outcome;

// The terminal states of AMQP 1.0 (3.4), and what can stand in their place.
enum class State { accepted, rejected, released, modified, none };

// The error of a rejected state; all empty where there is none.
struct Rejection {
  std::string condition;
  std::string description;
  std::string queue;   // RabbitMQ 4.3 and later, from the condition's info: which queue refused it,
  std::string reason;  // and why: maxlen, unavailable, property-limit-exceeded
};

// RabbitMQ before 4.3 rejects without a condition where a queue is full or its node is down: that
// passes, live and on replay. On replay a condition that speaks of an inner fault of the broker is
// final, so that a message which always causes it ends in dead letters; for live mail it is not, so
// that a broker which is closing down bounces nothing.
Outcome settle_outcome(State state, const Rejection& rejection, Broker broker, bool replay);

// Sent, and the link or connection ended before the outcome; `why` begins with the condition where
// there is one. 4.4.2 counts against the message when it is lost so alone; where the condition says
// that the link will be back by itself (a full queue, a broker that closes down) it is 4.3.0.
Outcome lost_unsettled(std::string_view why);

}  // namespace lsmtpd::amqp
