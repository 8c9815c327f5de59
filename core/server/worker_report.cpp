// SPDX-License-Identifier: Apache-2.0
#include "server/worker_report.hpp"

#include <ctime>

namespace lsmtpd::server {

uint64_t report_clock_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace lsmtpd::server
