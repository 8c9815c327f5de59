// SPDX-License-Identifier: Apache-2.0
/* Fake host: puts calls to the plugin and waits for the answers. */
#ifndef LSMTPD_TESTING_ASK_H
#define LSMTPD_TESTING_ASK_H

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

#define LSMTPD_T_FILTER_KINDS \
  (1u << LSMTPD_CONTINUE | 1u << LSMTPD_REJECT | 1u << LSMTPD_TEMPFAIL | 1u << LSMTPD_DISCARD)
#define LSMTPD_T_SESSION_KINDS (1u << LSMTPD_CONTINUE | 1u << LSMTPD_REJECT | 1u << LSMTPD_TEMPFAIL)
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
  call->verdict.copy_ids = call->verdict.target = "";
  if (mail != NULL) {
    ++mail->references;
    mail->open = 1;
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

/* Turns the loop until `condition(data)` is not 0. 0: that did not come in time. */
static inline int lsmtpd_test_wait_for(lsmtpd_test* t, int (*condition)(void*), void* data) {
  const uint64_t start = lsmtpd_t_clock_ms();
  while (!condition(data)) {
    const int left = t->deadline_ms - (int)(lsmtpd_t_clock_ms() - start);
    if (left <= 0) return 0;
    lsmtpd_test_turn(t, left < 10 ? left : 10);
  }
  return 1;
}

/* lsmtpd.filter/1. The functions without ask_ also wait for the answer. */
static inline lsmtpd_call lsmtpd_test_ask_filter(lsmtpd_test* t, lsmtpd_test_mail* mail) {
  const lsmtpd_filter_1* table = (const lsmtpd_filter_1*)lsmtpd_t_needed(t, LSMTPD_FILTER);
  const lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_FILTER_KINDS, mail);
  const lsmtpd_call id = call->id;
  table->message(t->lane->lane, id, lsmtpd_t_view(mail));
  return id;
}
static inline const lsmtpd_test_verdict* lsmtpd_test_filter(lsmtpd_test* t,
                                                            lsmtpd_test_mail* mail) {
  return lsmtpd_test_wait(t, lsmtpd_test_ask_filter(t, mail));
}

/* lsmtpd.output/1. `copy_id` NULL: the message's id; `target` NULL: for itself. */
static inline lsmtpd_call lsmtpd_test_ask_deliver(lsmtpd_test* t, lsmtpd_test_mail* mail,
                                                  const char* copy_id, const char* target,
                                                  uint32_t flags) {
  const lsmtpd_output_1* table = (const lsmtpd_output_1*)lsmtpd_t_needed(t, LSMTPD_OUTPUT);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, mail);
  const lsmtpd_call id = call->id;
  call->copy_id = lsmtpd_t_copy(copy_id == NULL ? mail->envelope.id : lsmtpd_test_str(copy_id));
  call->for_target = lsmtpd_t_copy(lsmtpd_test_str(target));
  call->delivery.size = sizeof call->delivery;
  call->delivery.flags = flags;
  call->delivery.copy_id = lsmtpd_t_str(&call->copy_id);
  call->delivery.target = lsmtpd_t_str(&call->for_target);
  call->delivery.deadline_ms = (flags & LSMTPD_DELIVERY_REPLAY) ? 0 : 10000;
  table->deliver(t->lane->lane, id, lsmtpd_t_view(mail), &call->delivery);
  return id;
}
static inline const lsmtpd_test_verdict* lsmtpd_test_deliver(lsmtpd_test* t,
                                                             lsmtpd_test_mail* mail) {
  return lsmtpd_test_wait(t, lsmtpd_test_ask_deliver(t, mail, NULL, NULL, 0));
}

/* lsmtpd.session_filter/1. `mail` gives the envelope as far as it is known. NULL: the plugin does
 * not want this phase. */
static inline const lsmtpd_test_verdict* lsmtpd_test_session(lsmtpd_test* t, uint32_t phase,
                                                             uint64_t session,
                                                             const lsmtpd_test_mail* mail,
                                                             uint64_t declared_size) {
  const lsmtpd_session_filter_1* table =
      (const lsmtpd_session_filter_1*)lsmtpd_t_needed(t, LSMTPD_SESSION_FILTER);
  if ((table->phases & phase) == 0) return NULL;
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_SESSION_KINDS, NULL);
  const lsmtpd_call id = call->id;
  call->event.size = sizeof call->event;
  call->event.phase = phase;
  call->event.session = session;
  call->event.declared_size = declared_size;
  call->event.envelope = &mail->envelope;
  table->decide(t->lane->lane, id, &call->event);
  return lsmtpd_test_wait(t, id);
}
static inline void lsmtpd_test_session_closed(lsmtpd_test* t, uint64_t session) {
  const lsmtpd_session_filter_1* table =
      (const lsmtpd_session_filter_1*)lsmtpd_t_needed(t, LSMTPD_SESSION_FILTER);
  if (table->closed != NULL) table->closed(t->lane->lane, session);
}

/* What a host does to a call that it no longer waits for; the plugin still has to answer. */
static inline void lsmtpd_test_cancel(lsmtpd_test* t, lsmtpd_call id) {
  const lsmtpd_t_call* call = lsmtpd_t_find_call(t, id);
  const lsmtpd_filter_1* filter = (const lsmtpd_filter_1*)lsmtpd_test_extension(t, LSMTPD_FILTER);
  const lsmtpd_output_1* output = (const lsmtpd_output_1*)lsmtpd_test_extension(t, LSMTPD_OUTPUT);
  const lsmtpd_session_filter_1* session =
      (const lsmtpd_session_filter_1*)lsmtpd_test_extension(t, LSMTPD_SESSION_FILTER);
  if (call->answered) return;
  if (call->kinds == LSMTPD_T_FILTER_KINDS && filter != NULL && filter->cancel != NULL)
    filter->cancel(call->host->lane, id);
  if (call->kinds == LSMTPD_T_OUTPUT_KINDS && output != NULL && output->cancel != NULL)
    output->cancel(call->host->lane, id);
  if (call->kinds == LSMTPD_T_SESSION_KINDS && session != NULL && session->cancel != NULL)
    session->cancel(call->host->lane, id);
}

/* lsmtpd.admission/1. */
static inline lsmtpd_admission lsmtpd_test_admission(lsmtpd_test* t) {
  const lsmtpd_admission_1* table = (const lsmtpd_admission_1*)lsmtpd_t_needed(t, LSMTPD_ADMISSION);
  lsmtpd_admission admission;
  memset(&admission, 0, sizeof admission);
  admission.size = sizeof admission;
  admission.ready = 1;
  table->get(t->lane->lane, &admission);
  return admission;
}

/* lsmtpd.replay/1. listed(): verdict->copy_ids and ->end; loaded(): verdict->mail and ->target;
 * both with CONTINUE. */
static inline const lsmtpd_test_verdict* lsmtpd_test_list(lsmtpd_test* t, uint32_t restart,
                                                          uint32_t max) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  const lsmtpd_call id = lsmtpd_t_new_call(t, 1u << LSMTPD_TEMPFAIL, NULL)->id;
  table->list(t->lane->lane, id, restart, max);
  return lsmtpd_test_wait(t, id);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_load_copy(lsmtpd_test* t,
                                                               const char* copy_id) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  const lsmtpd_call id =
      lsmtpd_t_new_call(t, 1u << LSMTPD_TEMPFAIL | 1u << LSMTPD_REJECT, NULL)->id;
  table->load(t->lane->lane, id, lsmtpd_test_str(copy_id));
  return lsmtpd_test_wait(t, id);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_forget(lsmtpd_test* t, const char* copy_id) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  const lsmtpd_call id = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, NULL)->id;
  table->forget(t->lane->lane, id, lsmtpd_test_str(copy_id));
  return lsmtpd_test_wait(t, id);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_dead_letter(lsmtpd_test* t,
                                                                 const char* copy_id,
                                                                 const char* reason) {
  const lsmtpd_replay_1* table = (const lsmtpd_replay_1*)lsmtpd_t_needed(t, LSMTPD_REPLAY);
  const lsmtpd_call id = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, NULL)->id;
  table->dead_letter(t->lane->lane, id, lsmtpd_test_str(copy_id), lsmtpd_test_str(reason));
  return lsmtpd_test_wait(t, id);
}

/* lsmtpd.probe/1. Steps as lines "step status text" in lsmtpd_test_steps(). */
static inline void lsmtpd_t_step(const lsmtpd_probe_report* report, lsmtpd_str step,
                                 uint32_t status, lsmtpd_str text) {
  lsmtpd_t_line(&((lsmtpd_test*)report->self)->steps, "%.*s %u %.*s", (int)step.size, step.data,
                status, (int)text.size, text.size == 0 ? "" : text.data);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_probe(lsmtpd_test* t) {
  const lsmtpd_probe_1* table = (const lsmtpd_probe_1*)lsmtpd_t_needed(t, LSMTPD_PROBE);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, 1u << LSMTPD_CONTINUE | 1u << LSMTPD_TEMPFAIL, NULL);
  const lsmtpd_call id = call->id;
  call->probe.self = t;
  call->probe.step = lsmtpd_t_step;
  table->probe(t->lane->lane, id, &call->probe);
  return lsmtpd_test_wait(t, id);
}

#endif
