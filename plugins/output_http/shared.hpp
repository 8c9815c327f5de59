// SPDX-License-Identifier: Apache-2.0
// Common to all lanes of an instance, which outlives them.
#pragma once

#include <atomic>
#include <cstdint>
#include <log_lines/outage_lines.hpp>

#include "http_options.hpp"
#include "secrets.hpp"

namespace lsmtpd::output_http {

struct Shared {
  Options options;
  Secrets secrets;
  // Until then the server wants no request (Retry-After); in milliseconds of the loops' clock.
  std::atomic<std::uint64_t> resume_ms{0};
  log_lines::OutageLines reach;          // no answer
  log_lines::OutageLines configuration;  // a status that an operator has to look at
  log_lines::OutageLines server;         // a status that passes
};

}  // namespace lsmtpd::output_http
