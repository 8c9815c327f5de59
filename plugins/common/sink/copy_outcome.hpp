// SPDX-License-Identifier: Apache-2.0
// The outcome of one copy at a sink, and how it becomes the plugin's verdict. Pure.
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <string_view>

namespace lsmtpd::sink {

enum class Kind { stored, rejected, tempfail };

struct Outcome {
  Kind kind = Kind::tempfail;
  bool in_doubt = false;      // tempfail: it was sent, and nobody said what became of it
  bool cause_passes = false;  // in doubt, and not by the message's doing
  std::uint32_t code = 0;     // SMTP reply code, 0: the host's default
  const char* enhanced = "";
  std::string text;    // for the client: never more than the name of the sink's error
  std::string detail;  // for the log: the description too
};

Outcome tempfail(std::uint32_t code, const char* enhanced, std::string text, std::string detail);
// Nothing was sent: 451 4.4.1, for no connection, no credit, no room.
Outcome not_sent(std::string_view why);
// 552 5.3.4.
Outcome too_large(std::uint64_t encoded, std::uint64_t limit);

void answer(sdk::Call* call, const Outcome& outcome);
// For sdk::Call::recipients(): it views the outcome's texts.
lsmtpd_verdict to_verdict(const Outcome& outcome);

}  // namespace lsmtpd::sink
