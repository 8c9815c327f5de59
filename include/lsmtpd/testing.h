// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/* The fake host: a plugin's tests run against it instead of the daemon. Header-only, C11 or
 * C++17, libc and pthread.
 *
 *     lsmtpd_test *t = lsmtpd_test_new();
 *     lsmtpd_test_use(t, &lsmtpd_entry);          // linked in; lsmtpd_test_load(t, "./x.so") opens it
 *     lsmtpd_test_option(t, "max", "1KiB");       // again with the same key: LIST, MAP ("k=v")
 *     if (lsmtpd_test_start(t) != 0) ...          // checks options, creates, starts, opens a lane
 *     lsmtpd_test_mail *mail =
 *         lsmtpd_test_mail_new(t, "a@example.org", "b@example.org", "Subject: x\r\n\r\nhi\r\n");
 *     const lsmtpd_test_verdict *verdict = lsmtpd_test_filter(t, mail);  // asks and waits;
 *     assert(verdict->kind == LSMTPD_REJECT);                            // ..._ask_filter() only asks
 *     puts(lsmtpd_test_finish(t));                // "", or the rules that were broken, a line each
 *     lsmtpd_test_free(t);
 *
 * Time stands still unless lsmtpd_test_advance() moves it (or lsmtpd_test_real_time() lets it run).
 * Posts, deferred tasks, offloaded work, watches, look-ups and DNS questions of the plugin run inside
 * lsmtpd_test_turn(), which all waiting functions call. The thread that called lsmtpd_test_new() is
 * [main] and [loop]; functions of this header belong to it, those of the ABI's tables to the
 * threads their comments name. Reported as failures: a call completed twice, never, or with an
 * answer that makes no sense; [loop] functions on other threads; a spilled message read on the
 * loop; use of a message after its call without a pin; pins, reservations, timers, watches and
 * tasks left over; lane_closed missing, twice or followed by more. Faults to inject:
 * lsmtpd_test_memory_limit(), and the members of lsmtpd_test under "faults".
 *
 * Parts, in testing/: run.h, ask.h (with ask_session.h, ask_replay.h and wait.h), mail.h and turn.h
 * have what tests call, base.h the structs, config.h and scopes.h the options, the others the ABI's
 * tables.
 */
/* clang-format on */
#ifndef LSMTPD_TESTING_H
#define LSMTPD_TESTING_H

#include "testing/run.h"

#endif
