// SPDX-License-Identifier: Apache-2.0
// Assumptions that are checked in every build.
//
//     if (!LSMTPD_INVARIANT(waiting_ == Waiting::nothing)) return give_up();
//
// A broken one is a fault of lsmtpd. The process aborts, so that a test or a debug build shows the
// place. A release of the daemon calls go_on_after_broken_invariants() at its start: then the fault
// is logged, the expression is false, and the caller ends its work, a session with 421. Any thread.
#pragma once

namespace lsmtpd {

// `expression` is the source text of the broken invariant.
using InvariantReport = void (*)(const char* expression, const char* file, int line);

// From now on a broken invariant is reported and the process goes on. Null: it aborts again.
void go_on_after_broken_invariants(InvariantReport report);

// Returns false if it returns.
bool invariant_broken(const char* expression, const char* file, int line);

}  // namespace lsmtpd

#define LSMTPD_INVARIANT(...) \
  ((__VA_ARGS__) ? true : ::lsmtpd::invariant_broken(#__VA_ARGS__, __FILE__, __LINE__))
