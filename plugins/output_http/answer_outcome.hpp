// SPDX-License-Identifier: Apache-2.0
// From the answer to a request, or from its lack, to the outcome of a copy. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <sink/copy_outcome.hpp>
#include <string>
#include <string_view>

namespace lsmtpd::output_http {

// A failure that is tempfailed, by its cause.
enum class Cause {
  none,           // stored, or refused for good
  configuration,  // a status that says that the request is not for this place: 3xx, 401, 404, ...
  server          // overload, or a fault of the server: 429, 5xx
};

struct Answer {
  long status = 0;
  std::int64_t retry_after = 0;  // seconds; 0: none
  std::string_view body;         // its beginning
};

struct Verdict {
  sink::Outcome outcome;
  Cause cause = Cause::none;
  std::int64_t pause = 0;  // seconds that nothing is sent
};

// `refused`: the statuses that are for good. `relay_text`: the answer's first line is for the
// client.
Verdict outcome_of(const Answer& answer, const std::set<long>& refused, bool relay_text);

// The first line, where it is printable ASCII: up to 200 octets.
std::string relayed(std::string_view body);

// Nothing was sent, or not all of it: the server cannot have the message.
sink::Outcome not_sent(std::string_view why);
// All of it was sent, and no whole answer came.
sink::Outcome lost(std::string_view why, bool cause_passes);
// 552 5.3.4.
sink::Outcome too_large(std::uint64_t octets, std::uint64_t limit);
// 550 5.1.3
sink::Outcome leaves_path();

}  // namespace lsmtpd::output_http
