// SPDX-License-Identifier: Apache-2.0
// The points of the SMTP dialogue where session filters are asked.
#pragma once

#include <cstdint>

namespace lsmtpd::message {

// The values are those of LSMTPD_PHASE_..., which core/plugin asserts.
enum class Phase : uint32_t { connect = 1, helo = 2, auth = 4, mail = 8, rcpt = 16, data = 32 };

// How a mail transaction, from an accepted MAIL on, ended. The values are those of LSMTPD_ENDED_...
enum class TransactionEnd : uint32_t { accepted = 1, refused = 2, reset = 3 };

}  // namespace lsmtpd::message
