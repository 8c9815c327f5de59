// SPDX-License-Identifier: Apache-2.0
/* Fake host: puts calls to the plugin. */
#ifndef LSMTPD_TESTING_ASK_H
#define LSMTPD_TESTING_ASK_H

#include "ask_replay.h"
#include "ask_session.h"
#include "wait.h"

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
  const lsmtpd_auth_1* auth = (const lsmtpd_auth_1*)lsmtpd_test_extension(t, LSMTPD_AUTH);
  if (call->kinds == LSMTPD_T_AUTH_KINDS && auth != NULL && auth->cancel != NULL)
    auth->cancel(call->host->lane, id);
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
