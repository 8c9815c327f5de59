// Assumptions that are checked in every build.
//
//     if (!LSMTPD_INVARIANT(waiting_ == Waiting::nothing)) return give_up();
//
// Where one does not hold, that is a fault of ours. The process aborts, so that a test or a debug
// build shows the place; a release of the daemon asks for the second way at its start: the fault is
// reported (to the log), the expression is false, and the caller ends what it was doing, a session
// with 421. Any thread.
#pragma once

namespace lsmtpd {

// `expression` is the source text of what does not hold.
using InvariantReport = void (*)(const char* expression, const char* file, int line);

// From now on a broken invariant is reported and the process goes on. Null: it aborts again.
void go_on_after_broken_invariants(InvariantReport report);

// False, if it returns.
bool invariant_broken(const char* expression, const char* file, int line);

}  // namespace lsmtpd

#define LSMTPD_INVARIANT(...) \
  ((__VA_ARGS__) ? true : ::lsmtpd::invariant_broken(#__VA_ARGS__, __FILE__, __LINE__))
