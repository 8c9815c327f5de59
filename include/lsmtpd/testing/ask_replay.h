// SPDX-License-Identifier: Apache-2.0
/* Fake host: asks the plugin for the messages that it stored. */
#ifndef LSMTPD_TESTING_ASK_REPLAY_H
#define LSMTPD_TESTING_ASK_REPLAY_H

#include "wait.h"

/* lsmtpd.replay/1. listed(): verdict->copy_ids, ->end and ->waiting; loaded(): verdict->mail and
 * ->target; both with CONTINUE. */
static inline const lsmtpd_test_verdict* lsmtpd_test_list(lsmtpd_test* t, uint32_t restart,
                                                          uint32_t max) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, 1u << LSMTPD_TEMPFAIL, NULL);
  table->list(t->lane->lane, call->id, restart, max);
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}
static inline const lsmtpd_test_verdict* lsmtpd_test_load_copy(lsmtpd_test* t,
                                                               const char* copy_id) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, 1u << LSMTPD_TEMPFAIL | 1u << LSMTPD_REJECT, NULL);
  table->load(t->lane->lane, call->id, lsmtpd_test_str(copy_id));
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}
static inline const lsmtpd_test_verdict* lsmtpd_test_forget(lsmtpd_test* t, const char* copy_id) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, NULL);
  table->forget(t->lane->lane, call->id, lsmtpd_test_str(copy_id));
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}
static inline const lsmtpd_test_verdict* lsmtpd_test_dead_letter(lsmtpd_test* t,
                                                                 const char* copy_id,
                                                                 const char* reason) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, NULL);
  table->dead_letter(t->lane->lane, call->id, lsmtpd_test_str(copy_id), lsmtpd_test_str(reason));
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}
/* counted(): verdict->count, with CONTINUE. */
static inline const lsmtpd_test_verdict* lsmtpd_test_count(lsmtpd_test* t, const char* target,
                                                           uint64_t max) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, 1u << LSMTPD_TEMPFAIL, NULL);
  table->count(t->lane->lane, call->id, lsmtpd_test_str(target), max);
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}

#endif
