// SPDX-License-Identifier: Apache-2.0
// The JSON with which the application is asked.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <string>
#include <string_view>

namespace filter_http {

struct Question {
  std::string_view phase;  // "connect", "mail", "rcpt", "message"
  const lsmtpd_envelope* envelope = nullptr;
  uint64_t declared_size = 0;                     // of MAIL; 0: not said
  const lsmtpd::sdk::Message* message = nullptr;  // at "message"
  std::string_view content;                       // its first bytes, where they are to be sent
};

std::string question_text(const Question& question, std::string_view plugin,
                          std::string_view hostname);

}  // namespace filter_http
