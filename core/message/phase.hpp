// The points of the SMTP dialogue where session filters are asked.
#pragma once

#include <cstdint>

namespace lsmtpd::message {

// The values are those of LSMTPD_PHASE_..., which core/plugin asserts.
enum class Phase : uint32_t { connect = 1, helo = 2, mail = 4, rcpt = 8 };

}  // namespace lsmtpd::message
