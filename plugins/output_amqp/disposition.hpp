// SPDX-License-Identifier: Apache-2.0
// What becomes of a delivery: from what the broker said to the plugin's verdict. One table; pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::amqp {

// The terminal states of AMQP 1.0 (3.4), and what can stand in their place.
enum class State { accepted, rejected, released, modified, none };

enum class Kind { stored, rejected, later };

struct Outcome {
  Kind kind = Kind::later;
  std::uint32_t code = 0;  // SMTP reply code, 0: the host's default
  const char* enhanced = "";
  std::string text;    // for the client: never more than the AMQP condition
  std::string detail;  // for the log: the description too
};

// `condition` and `description` are those of a rejected state, else empty. On replay a condition
// that speaks of an inner fault of the broker is final, so that a message which always causes it
// ends in dead letters; for live mail it is not, so that a broker which is closing down bounces
// nothing.
Outcome settle_outcome(State state, std::string_view condition, std::string_view description,
                       bool replay);

// Nothing was sent, or nobody said what became of it.
Outcome not_sent(std::string_view why);        // 4.4.1: no connection, no credit, no room
Outcome lost_unsettled(std::string_view why);  // 4.4.2: sent, and the link ended before the outcome
Outcome too_large(std::uint64_t encoded, std::uint64_t limit);  // 552 5.3.4

}  // namespace lsmtpd::amqp
