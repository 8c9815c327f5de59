// SPDX-License-Identifier: Apache-2.0
#include "disposition.hpp"

namespace lsmtpd::amqp {

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

Meaning meaning_of(std::string_view condition) {
  for (const Row& row : kConditions) {
    if (row.condition == condition) return row.meaning;
  }
  return Meaning::final;
}

std::string quoted(std::string_view state, std::string_view condition,
                   std::string_view description) {
  std::string out(state);
  if (!condition.empty()) out.append(" ").append(condition);
  if (!description.empty()) out.append(": ").append(description);
  return out;
}

Outcome rejected(std::string_view condition, std::string_view description, bool replay) {
  const Meaning meaning = meaning_of(condition);
  Outcome outcome;
  outcome.detail = quoted("rejected", condition, description);
  if (meaning == Meaning::passes || (meaning == Meaning::inner && !replay)) {
    outcome.kind = Kind::later;
    outcome.code = 451;
    outcome.enhanced = "4.3.0";
    outcome.text = "Message broker: " + std::string(condition);
    return outcome;
  }
  outcome.kind = Kind::rejected;
  const bool size = condition == "amqp:link:message-size-exceeded";
  outcome.code = size ? 552 : 554;
  outcome.enhanced = size ? "5.3.4" : "5.7.1";
  outcome.text = "Refused by the message broker";
  if (!condition.empty()) outcome.text.append(": ").append(condition);
  return outcome;
}

Outcome tempfail(std::uint32_t code, const char* enhanced, const char* text, std::string detail) {
  Outcome outcome;
  outcome.code = code;
  outcome.enhanced = enhanced;
  outcome.text = text;
  outcome.detail = std::move(detail);
  return outcome;
}

}  // namespace

Outcome settle_outcome(State state, std::string_view condition, std::string_view description,
                       bool replay) {
  switch (state) {
    case State::accepted: {
      Outcome outcome;
      outcome.kind = Kind::stored;
      return outcome;
    }
    case State::rejected:
      return rejected(condition, description, replay);
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

Outcome not_sent(std::string_view why) {
  return tempfail(451, "4.4.1", "Message broker not available", std::string(why));
}

Outcome lost_unsettled(std::string_view why) {
  return tempfail(451, "4.4.2", "Message broker not available",
                  "link lost while unsettled: " + std::string(why));
}

Outcome too_large(std::uint64_t encoded, std::uint64_t limit) {
  Outcome outcome;
  outcome.kind = Kind::rejected;
  outcome.code = 552;
  outcome.enhanced = "5.3.4";
  outcome.text = "Message too large for the message broker";
  outcome.detail =
      std::to_string(encoded) + " bytes as encoded, the link takes " + std::to_string(limit);
  return outcome;
}

}  // namespace lsmtpd::amqp
