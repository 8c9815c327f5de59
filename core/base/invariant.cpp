// SPDX-License-Identifier: Apache-2.0
#include "base/invariant.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace lsmtpd {

namespace {
std::atomic<InvariantReport> report_to{nullptr};
}  // namespace

void go_on_after_broken_invariants(InvariantReport report) {
  report_to = report;
}

bool invariant_broken(const char* expression, const char* file, int line) {
  if (const InvariantReport report = report_to) {
    report(expression, file, line);
    return false;
  }
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
  std::abort();
}

}  // namespace lsmtpd
