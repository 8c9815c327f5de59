// SPDX-License-Identifier: Apache-2.0
/* Fake host: asks the plugin about sessions and credentials. */
#ifndef LSMTPD_TESTING_ASK_SESSION_H
#define LSMTPD_TESTING_ASK_SESSION_H

#include "wait.h"

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

/* lsmtpd.auth/1. `mechanism` is LSMTPD_AUTH_...; `mail` gives the envelope. */
#define LSMTPD_T_AUTH_KINDS (1u << LSMTPD_ACCEPT | 1u << LSMTPD_REJECT | 1u << LSMTPD_TEMPFAIL)
static inline lsmtpd_call lsmtpd_test_ask_verify(lsmtpd_test* t, uint32_t mechanism,
                                                 const char* user, const char* password,
                                                 const lsmtpd_test_mail* mail) {
  const lsmtpd_auth_1* table = (const lsmtpd_auth_1*)lsmtpd_t_needed(t, LSMTPD_AUTH);
  lsmtpd_t_call* call = lsmtpd_t_new_call(t, LSMTPD_T_AUTH_KINDS, NULL);
  call->given_user = lsmtpd_t_copy(lsmtpd_test_str(user));
  call->given_password = lsmtpd_t_copy(lsmtpd_test_str(password));
  call->credentials.size = sizeof call->credentials;
  call->credentials.mechanism = mechanism;
  call->credentials.session = 1;
  call->credentials.user = lsmtpd_t_str(&call->given_user);
  call->credentials.password = lsmtpd_t_str(&call->given_password);
  call->credentials.envelope = &mail->envelope;
  call->credentials.deadline_ms = 10000;
  table->verify(t->lane->lane, call->id, &call->credentials);
  return lsmtpd_t_returned(t, call);
}
static inline const lsmtpd_test_verdict* lsmtpd_test_verify(lsmtpd_test* t, uint32_t mechanism,
                                                            const char* user, const char* password,
                                                            const lsmtpd_test_mail* mail) {
  return lsmtpd_test_wait(t, lsmtpd_test_ask_verify(t, mechanism, user, password, mail));
}

#endif
