// SPDX-License-Identifier: Apache-2.0
#include "copy_outcome.hpp"

namespace lsmtpd::sink {

Outcome tempfail(std::uint32_t code, const char* enhanced, std::string text, std::string detail) {
  Outcome outcome;
  outcome.code = code;
  outcome.enhanced = enhanced;
  outcome.text = std::move(text);
  outcome.detail = std::move(detail);
  return outcome;
}

Outcome not_sent(std::string_view why) {
  return tempfail(451, "4.4.1", "Message broker not available", std::string(why));
}

Outcome too_large(std::uint64_t encoded, std::uint64_t limit) {
  Outcome outcome;
  outcome.kind = Kind::rejected;
  outcome.code = 552;
  outcome.enhanced = "5.3.4";
  outcome.text = "Message too large for the message broker";
  outcome.detail =
      std::to_string(encoded) + " bytes as encoded, the broker takes " + std::to_string(limit);
  return outcome;
}

void answer(sdk::Call* call, const Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::stored:
      return call->stored(outcome.detail);
    case Kind::rejected:
      return call->reject(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
    case Kind::tempfail:
      if (outcome.in_doubt)
        return call->in_doubt(outcome.text, outcome.code, outcome.enhanced, outcome.detail,
                              outcome.cause_passes);
      return call->tempfail(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
  }
}

lsmtpd_verdict to_verdict(const Outcome& outcome) {
  lsmtpd_verdict verdict{};
  verdict.size = sizeof verdict;
  verdict.kind = outcome.kind == Kind::stored     ? LSMTPD_STORED
                 : outcome.kind == Kind::rejected ? LSMTPD_REJECT
                                                  : LSMTPD_TEMPFAIL;
  verdict.code = outcome.code;
  verdict.flags =
      (outcome.in_doubt ? LSMTPD_IN_DOUBT : 0u) | (outcome.cause_passes ? LSMTPD_CAUSE_PASSES : 0u);
  verdict.enhanced = sdk::str(outcome.enhanced);
  verdict.text = sdk::str(outcome.text);
  verdict.detail = sdk::str(outcome.detail);
  return verdict;
}

}  // namespace lsmtpd::sink
