// The points of the SMTP dialogue at which somebody else is asked whether to go on. Everything
// above the plugin ABI uses these; core/pipeline turns them into the numbers of the ABI, in one
// place.
#pragma once

#include <cstdint>
#include <string_view>

namespace lsmtpd::smtp {

enum class Phase : uint8_t {
  connect,  // before the banner
  helo,     // HELO, EHLO, LHLO
  mail,
  rcpt,
};
inline constexpr unsigned phase_count = static_cast<unsigned>(Phase::rcpt) + 1;

// For the log: "connect", "helo", "mail", "rcpt".
constexpr std::string_view phase_name(Phase phase) {
  constexpr std::string_view names[phase_count] = {"connect", "helo", "mail", "rcpt"};
  return names[static_cast<unsigned>(phase)];
}

}  // namespace lsmtpd::smtp
