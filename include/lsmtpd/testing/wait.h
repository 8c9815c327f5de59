// SPDX-License-Identifier: Apache-2.0
/* Fake host: makes calls, and waits for their answers. */
#ifndef LSMTPD_TESTING_WAIT_H
#define LSMTPD_TESTING_WAIT_H

#include "host.h"
#include "turn.h"

/* The plugin's table, or NULL. */
static inline const void* lsmtpd_test_extension(lsmtpd_test* t, const char* id) {
  return t->instance->get_extension(t->instance, id);
}
static inline const void* lsmtpd_t_needed(lsmtpd_test* t, const char* id) {
  const void* table = lsmtpd_test_extension(t, id);
  if (table == NULL) {
    fprintf(stderr, "the plugin has no %s\n", id);
    abort();
  }
  return table;
}

#define LSMTPD_T_FILTER_KINDS (LSMTPD_T_SESSION_KINDS | 1u << LSMTPD_DISCARD)
#define LSMTPD_T_SESSION_KINDS \
  (1u << LSMTPD_CONTINUE | 1u << LSMTPD_ACCEPT | 1u << LSMTPD_REJECT | 1u << LSMTPD_TEMPFAIL)
#define LSMTPD_T_OUTPUT_KINDS (1u << LSMTPD_STORED | 1u << LSMTPD_REJECT | 1u << LSMTPD_TEMPFAIL)

static inline lsmtpd_t_call* lsmtpd_t_new_call(lsmtpd_test* t, uint32_t kinds,
                                               lsmtpd_test_mail* mail) {
  lsmtpd_t_call* call = (lsmtpd_t_call*)lsmtpd_t_alloc(sizeof *call);
  lsmtpd_t_lock(t);
  lsmtpd_t_call** grown =
      (lsmtpd_t_call**)realloc(t->calls, (t->call_count + 1) * sizeof(lsmtpd_t_call*));
  if (grown == NULL) abort();
  t->calls = grown;
  t->calls[t->call_count++] = call;
  call->id = UINT64_C(7) << 32 | t->call_count;
  call->host = t->lane;
  call->kinds = kinds;
  call->mail = mail;
  call->verdict.enhanced = call->verdict.text = call->verdict.detail = "";
  call->verdict.copy_ids = call->verdict.target = call->verdict.reason = "";
  call->in_function = 1;
  if (mail != NULL) {
    ++mail->references;
    mail->open = 1;
    lsmtpd_t_copy_pairs(&mail->annotation_edits, mail->annotations);
  }
  lsmtpd_t_unlock(t);
  return call;
}
static inline const lsmtpd_message* lsmtpd_t_view(const lsmtpd_test_mail* mail) {
  return (const lsmtpd_message*)(uintptr_t)mail;
}

/* The answer; NULL: there is none yet. */
static inline const lsmtpd_test_verdict* lsmtpd_test_answer(lsmtpd_test* t, lsmtpd_call id) {
  lsmtpd_t_lock(t);
  const lsmtpd_t_call* call = lsmtpd_t_find_call(t, id);
  const int answered = call != NULL && call->answered;
  lsmtpd_t_unlock(t);
  return answered ? &call->verdict : NULL;
}

/* Turns the loop until the call is answered. After deadline_ms of real time: a failure, and a
 * verdict of kind 0. */
static inline const lsmtpd_test_verdict* lsmtpd_test_wait(lsmtpd_test* t, lsmtpd_call id) {
  const uint64_t start = lsmtpd_t_clock_ms();
  const lsmtpd_test_verdict* verdict = lsmtpd_test_answer(t, id);
  while (verdict == NULL) {
    const int left = t->deadline_ms - (int)(lsmtpd_t_clock_ms() - start);
    if (left <= 0) break;
    lsmtpd_test_turn(t, left);
    verdict = lsmtpd_test_answer(t, id);
  }
  if (verdict != NULL) return verdict;
  lsmtpd_t_lock(t);
  lsmtpd_t_fail(t, "call %u: not answered within %d ms", (unsigned)(id & 0xffffffffu),
                t->deadline_ms);
  verdict = &lsmtpd_t_find_call(t, id)->verdict;
  lsmtpd_t_unlock(t);
  return verdict;
}

/* Turns the loop until `condition(data)` is not 0. 0: it was not met in time. */
static inline int lsmtpd_test_wait_for(lsmtpd_test* t, int (*condition)(void*), void* data) {
  const uint64_t start = lsmtpd_t_clock_ms();
  while (!condition(data)) {
    const int left = t->deadline_ms - (int)(lsmtpd_t_clock_ms() - start);
    if (left <= 0) return 0;
    lsmtpd_test_turn(t, left < 10 ? left : 10);
  }
  return 1;
}

#endif
