// SPDX-License-Identifier: Apache-2.0
#include "disposition.hpp"

#include <algorithm>
#include <iterator>

namespace lsmtpd::amqp {

using sink::tempfail;

namespace {

enum class Meaning { final, passes, inner };

struct Row {
  std::string_view condition;
  Meaning meaning;
};

// Conditions of `rejected` that are not a judgement on the message. All others are.
constexpr Row kConditions[] = {
    {"amqp:resource-limit-exceeded", Meaning::passes},  // the queue is full
    {"amqp:not-found", Meaning::passes},                // the queue is being made
    {"amqp:resource-locked", Meaning::passes},
    {"amqp:resource-deleted", Meaning::passes},
    {"amqp:unauthorized-access", Meaning::passes},  // a permission that the operator forgot
    {"amqp:internal-error", Meaning::inner},
    {"failed", Meaning::inner},  // Artemis, for any exception while it stores
};

// Why a link or connection ends that comes back by itself, beside those that pass above.
constexpr std::string_view kEndsThatPass[] = {
    "amqp:link:detach-forced",  // idle, or the node is deleted
    "amqp:link:stolen",
    "amqp:connection:forced",  // the broker closes down
};

// RabbitMQ 4.3 and later say in the condition's info why a queue did not take a message.
struct ReasonRow {
  std::string_view condition;
  std::string_view reason;
  Meaning meaning;
};
constexpr ReasonRow kReasons[] = {
    {"amqp:resource-limit-exceeded", "property-limit-exceeded", Meaning::final},
    {"amqp:precondition-failed", "unavailable", Meaning::passes},  // its node is down
};

bool is_rabbitmq(Broker broker) {
  return broker == Broker::rabbitmq3 || broker == Broker::rabbitmq4;
}

Meaning meaning_of(std::string_view condition) {
  for (const Row& row : kConditions) {
    if (row.condition == condition) return row.meaning;
  }
  return Meaning::final;
}

Meaning meaning_of(const Rejection& rejection, Broker broker) {
  if (is_rabbitmq(broker)) {
    if (rejection.condition.empty()) return Meaning::passes;
    for (const ReasonRow& row : kReasons) {
      if (row.condition == rejection.condition && row.reason == rejection.reason)
        return row.meaning;
    }
  }
  return meaning_of(rejection.condition);
}

std::string printed(const Rejection& rejection, Broker broker) {
  std::string out("rejected");
  if (!rejection.condition.empty()) {
    out.append(" ").append(rejection.condition);
  } else if (is_rabbitmq(broker)) {
    out.append(" without a condition: the queue is full, or its node is down");
  }
  if (!rejection.description.empty()) out.append(": ").append(rejection.description);
  if (!rejection.queue.empty()) out.append(", queue ").append(rejection.queue);
  if (!rejection.reason.empty()) out.append(", reason ").append(rejection.reason);
  return out;
}

Outcome rejected(const Rejection& rejection, Broker broker, bool replay) {
  const Meaning meaning = meaning_of(rejection, broker);
  Outcome outcome;
  outcome.detail = printed(rejection, broker);
  if (meaning == Meaning::passes || (meaning == Meaning::inner && !replay)) {
    outcome.kind = Kind::tempfail;
    outcome.code = 451;
    outcome.enhanced = "4.3.0";
    outcome.text =
        "Message broker: " + (rejection.condition.empty() ? "rejected" : rejection.condition);
    return outcome;
  }
  outcome.kind = Kind::rejected;
  const bool size = rejection.condition == "amqp:link:message-size-exceeded";
  outcome.code = size ? 552 : 554;
  outcome.enhanced = size ? "5.3.4" : "5.7.1";
  outcome.text = "Refused by the message broker";
  if (!rejection.condition.empty()) outcome.text.append(": ").append(rejection.condition);
  return outcome;
}

// Proton's own end of a connection that fell silent has a condition that passes, and may be the
// message's doing.
bool ends_by_itself(std::string_view why) {
  if (why.find("local-idle-timeout") != std::string_view::npos) return false;
  const std::string_view condition = why.substr(0, why.find(": "));
  return meaning_of(condition) == Meaning::passes ||
         std::find(std::begin(kEndsThatPass), std::end(kEndsThatPass), condition) !=
             std::end(kEndsThatPass);
}

}  // namespace

Outcome settle_outcome(State state, const Rejection& rejection, Broker broker, bool replay) {
  switch (state) {
    case State::accepted: {
      Outcome outcome;
      outcome.kind = Kind::stored;
      return outcome;
    }
    case State::rejected:
      return rejected(rejection, broker, replay);
    case State::released:
      return tempfail(451, "4.3.0", "Message broker: released", "released: no queue took it");
    case State::modified:
      return tempfail(451, "4.3.0", "Message broker: modified",
                      "modified: the broker gave it back");
    case State::none:
      break;
  }
  return tempfail(451, "4.3.0", "Message broker: no outcome", "settled without a state");
}

Outcome lost_unsettled(std::string_view why) {
  const bool passes = ends_by_itself(why);
  Outcome outcome = tempfail(451, passes ? "4.3.0" : "4.4.2", "Message broker not available",
                             "link lost while unsettled: " + std::string(why));
  outcome.in_doubt = true;
  outcome.cause_passes = passes;
  return outcome;
}

}  // namespace lsmtpd::amqp
