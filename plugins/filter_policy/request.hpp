// SPDX-License-Identifier: Apache-2.0
// The request of Postfix's policy delegation protocol (SMTPD_POLICY_README): "name=value" lines and
// an empty line.
#pragma once

#include <lsmtpd/message.h>
#include <lsmtpd/session.h>

#include <cstdint>
#include <string>

namespace lsmtpd::policy {

struct Question {
  const lsmtpd_envelope* envelope = nullptr;
  uint32_t phase = 0;   // LSMTPD_PHASE_..., or kEndOfMessage
  uint64_t size = 0;    // of the message: declared, or at its end what it has
  uint32_t worker = 0;  // sessions are counted by worker
};
constexpr uint32_t kEndOfMessage = 0x80000000u;

// The attributes of Postfix 3.7. Nothing that a client sent can end a line of it.
std::string request_text(const Question& question);

}  // namespace lsmtpd::policy
