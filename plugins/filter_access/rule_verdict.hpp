// SPDX-License-Identifier: Apache-2.0
// A verdict as a rule or an entry of a list has it:
//     accept | continue | reject [CODE [X.Y.Z]] [TEXT] | tempfail [CODE [X.Y.Z]] [TEXT]
//     | annotate KEY=VALUE
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::access {

struct Verdict {
  enum class Action { accept, proceed, reject, tempfail, annotate };
  Action action = Action::proceed;
  uint32_t code = 0;     // 0: the default of the phase
  std::string enhanced;  // may be empty
  std::string text;      // for the client
  std::string key, value;
};

// Returns the mistake, or "".
std::string parse_verdict(std::string_view text, Verdict& verdict);

// "accept", "continue", ...
std::string_view word_of(Verdict::Action action);

}  // namespace lsmtpd::access
