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

/* lsmtpd.filter/1. The functions without ask_ also wait for the answer. */
static inline lsmtpd_call lsmtpd_test_ask_filter(lsmtpd_test* t, lsmtpd_test_mail* mail) {
  const lsmtpd_filter_1* table = (const lsmtpd_filter_1*)lsmtpd_t_needed(t, LSMTPD_FILTER);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_FILTER_KINDS, mail);
  call->filter.size = sizeof call->filter;
  call->filter.edits = (lsmtpd_edits*)mail;
  call->filter.annotations = (lsmtpd_annotations*)mail;
  call->filter.deadline_ms = 10000;
  table->message(t->lane->lane, call->id, lsmtpd_t_view(mail), &call->filter);
  return lsmtpd_t_returned(t, call);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_filter(lsmtpd_test* t,
                                                            lsmtpd_test_mail* mail) {
  return lsmtpd_test_wait(t, lsmtpd_test_ask_filter(t, mail));
}

/* lsmtpd.output/1. `copy_id` NULL: the message's id; `target` NULL: for itself; `flags` are
 * LSMTPD_DELIVERY_...; `attempts` and `reason` (may be NULL) are of those before. */
static inline lsmtpd_call lsmtpd_test_ask_deliver_again(lsmtpd_test* t, lsmtpd_test_mail* mail,
                                                        const char* copy_id, const char* target,
                                                        uint32_t flags, uint32_t attempts,
                                                        const char* reason) {
  const lsmtpd_output_1* table = (const lsmtpd_output_1*)lsmtpd_t_needed(t, LSMTPD_OUTPUT);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_OUTPUT_KINDS, mail);
  call->copy_id = lsmtpd_t_copy(copy_id == NULL ? mail->envelope.id : lsmtpd_test_str(copy_id));
  call->for_target = lsmtpd_t_copy(lsmtpd_test_str(target));
  call->for_reason = lsmtpd_t_copy(lsmtpd_test_str(reason));
  call->delivery.size = sizeof call->delivery;
  call->delivery.flags = flags;
  call->delivery.copy_id = lsmtpd_t_str(&call->copy_id);
  call->delivery.target = lsmtpd_t_str(&call->for_target);
  call->delivery.reason = lsmtpd_t_str(&call->for_reason);
  call->delivery.attempts = attempts;
  call->delivery.deadline_ms = (flags & LSMTPD_DELIVERY_REPLAY) ? 0 : 10000;
  call->delivery.annotations = (lsmtpd_annotations*)mail;
  table->deliver(t->lane->lane, call->id, lsmtpd_t_view(mail), &call->delivery);
  return lsmtpd_t_returned(t, call);
}
static inline lsmtpd_call lsmtpd_test_ask_deliver(lsmtpd_test* t, lsmtpd_test_mail* mail,
                                                  const char* copy_id, const char* target,
                                                  uint32_t flags) {
  return lsmtpd_test_ask_deliver_again(t, mail, copy_id, target, flags, 0, NULL);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_deliver(lsmtpd_test* t,
                                                             lsmtpd_test_mail* mail) {
  return lsmtpd_test_wait(t, lsmtpd_test_ask_deliver(t, mail, NULL, NULL, 0));
}

/* The annotations of a session. */
static inline lsmtpd_test_mail* lsmtpd_t_session(lsmtpd_test* t, uint64_t session) {
  for (lsmtpd_test_mail* mail = t->mails; mail != NULL; mail = mail->next)
    if (mail->session == session) return mail;
  lsmtpd_test_mail* mail = lsmtpd_t_mail(t, 0);
  --t->mail_count; /* it is no message */
  mail->session = session;
  return mail;
}
/* An annotation of the session, as its messages would have it; NULL: there is none. */
static inline const char* lsmtpd_test_session_annotation(lsmtpd_test* t, uint64_t session,
                                                         const char* key) {
  return lsmtpd_test_mail_annotation(lsmtpd_t_session(t, session), key);
}

/* lsmtpd.session_filter/1. `session` is not 0; `mail` gives the envelope as far as it is known. 0:
 * the plugin does not want this phase. */
static inline lsmtpd_call lsmtpd_test_ask_session(lsmtpd_test* t, uint32_t phase, uint64_t session,
                                                  const lsmtpd_test_mail* mail,
                                                  uint64_t declared_size) {
  const lsmtpd_session_filter_1* table =
      (const lsmtpd_session_filter_1*)lsmtpd_t_needed(t, LSMTPD_SESSION_FILTER);
  if ((table->phases & phase) == 0) return 0;
  lsmtpd_test_mail* notes = lsmtpd_t_session(t, session);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_SESSION_KINDS, notes);
  call->event.size = sizeof call->event;
  call->event.phase = phase;
  call->event.session = session;
  call->event.declared_size = declared_size;
  call->event.envelope = &mail->envelope;
  call->event.annotations = (lsmtpd_annotations*)notes;
  call->event.deadline_ms = 10000;
  table->decide(t->lane->lane, call->id, &call->event);
  return lsmtpd_t_returned(t, call);
}
/* The same, and waits for the answer. NULL: the plugin does not want this phase. */
static inline const lsmtpd_test_verdict* lsmtpd_test_session(lsmtpd_test* t, uint32_t phase,
                                                             uint64_t session,
                                                             const lsmtpd_test_mail* mail,
                                                             uint64_t declared_size) {
  const lsmtpd_call id = lsmtpd_test_ask_session(t, phase, session, mail, declared_size);
  return id == 0 ? NULL : lsmtpd_test_wait(t, id);
}
/* A transaction of the session ended: LSMTPD_ENDED_... */
static inline void lsmtpd_test_transaction_ended(lsmtpd_test* t, uint32_t how, uint64_t session,
                                                 const lsmtpd_test_mail* mail) {
  const lsmtpd_session_filter_1* table =
      (const lsmtpd_session_filter_1*)lsmtpd_t_needed(t, LSMTPD_SESSION_FILTER);
  lsmtpd_transaction_end end;
  memset(&end, 0, sizeof end);
  end.size = sizeof end;
  end.how = how;
  end.session = session;
  end.id = mail->envelope.id;
  if (table->ended != NULL) table->ended(t->lane->lane, &end);
}
static inline void lsmtpd_test_session_closed(lsmtpd_test* t, uint64_t session) {
  const lsmtpd_session_filter_1* table =
      (const lsmtpd_session_filter_1*)lsmtpd_t_needed(t, LSMTPD_SESSION_FILTER);
  if (table->closed != NULL) table->closed(t->lane->lane, session);
}

/* Cancels a call as a host does that no longer waits; the plugin still has to answer. */
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

/* lsmtpd.control/1. */
static inline void lsmtpd_test_retry_now(lsmtpd_test* t) {
  const lsmtpd_control_1* table = (const lsmtpd_control_1*)lsmtpd_t_needed(t, LSMTPD_CONTROL);
  table->retry_now(t->lane->lane);
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
  call->probe.self = t;
  call->probe.step = lsmtpd_t_step;
  table->probe(t->lane->lane, call->id, &call->probe);
  return lsmtpd_test_wait(t, lsmtpd_t_returned(t, call));
}

#endif
