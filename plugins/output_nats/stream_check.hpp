// SPDX-License-Identifier: Apache-2.0
// A stream as the server describes it ($JS.API.STREAM.INFO), and whether a 250 may rest on it.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nats_options.hpp"

namespace lsmtpd::nats {

struct StreamCheck {
  std::string refusal;   // empty, or why nothing may be published there
  std::string warning;   // empty, or what an operator has to know though it is allowed
  std::string promises;  // for the log and the probe: "file storage, 3 replicas, ..."
  std::optional<std::uint64_t> max_message;  // with its headers; none: the server's limit only
};

// `answer` is the body of the server's answer.
StreamCheck check_stream(std::string_view answer, const Options& options);

}  // namespace lsmtpd::nats
