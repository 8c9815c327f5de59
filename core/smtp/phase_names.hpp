// SPDX-License-Identifier: Apache-2.0
// The points of the SMTP dialogue at which somebody else is asked whether to go on.
#pragma once

#include <string_view>

#include "message/phase.hpp"

namespace lsmtpd::smtp {

using message::Phase;

// For the log: "connect", "helo", "auth", "mail", "rcpt", "data".
constexpr std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::connect:
      return "connect";
    case Phase::helo:
      return "helo";
    case Phase::auth:
      return "auth";
    case Phase::mail:
      return "mail";
    case Phase::rcpt:
      return "rcpt";
    case Phase::data:
      break;
  }
  return "data";
}

}  // namespace lsmtpd::smtp
