// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.replay_host/1 and lsmtpd.making/1. */
#ifndef LSMTPD_TESTING_REPLAY_H
#define LSMTPD_TESTING_REPLAY_H

#include "calls.h"

static inline void lsmtpd_t_listed(const lsmtpd_host* host, lsmtpd_call id,
                                   const lsmtpd_copy* copies, uint32_t stride, uint32_t count,
                                   uint32_t end, uint64_t waiting) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    for (uint32_t i = 0; i < count; ++i) {
      const lsmtpd_copy* copy =
          (const lsmtpd_copy*)(const void*)((const char*)copies + (size_t)i * stride);
      lsmtpd_t_append(&call->copy_ids, copy->copy_id.data, (size_t)copy->copy_id.size);
      if (copy->flags & LSMTPD_COPY_IN_DOUBT) lsmtpd_t_append(&call->copy_ids, " in doubt", 9);
      if (copy->flags & LSMTPD_COPY_EXPIRED) lsmtpd_t_append(&call->copy_ids, " expired", 8);
      lsmtpd_t_append(&call->copy_ids, "\n", 1);
    }
    call->verdict.copy_ids = call->copy_ids.data == NULL ? "" : call->copy_ids.data;
    call->verdict.end = end;
    call->verdict.waiting = waiting;
    lsmtpd_t_close_call(call, LSMTPD_CONTINUE);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline void lsmtpd_t_counted(const lsmtpd_host* host, lsmtpd_call id, uint64_t count) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    call->verdict.count = count;
    lsmtpd_t_close_call(call, LSMTPD_CONTINUE);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline void lsmtpd_t_copy_envelope(lsmtpd_test_mail* mail, const lsmtpd_envelope* from) {
  lsmtpd_envelope* to = &mail->envelope;
  to->peer_port = from->peer_port;
  to->local_port = from->local_port;
  to->time_ns = from->time_ns;
  to->session = from->session;
  to->recipient_total = from->recipient_total;
  to->id = lsmtpd_t_word(mail, from->id);
  to->reverse_path = lsmtpd_t_word(mail, from->reverse_path);
  to->parameters = lsmtpd_t_word(mail, from->parameters);
  to->helo = lsmtpd_t_word(mail, from->helo);
  to->protocol = lsmtpd_t_word(mail, from->protocol);
  to->listener = lsmtpd_t_word(mail, from->listener);
  to->peer_address = lsmtpd_t_word(mail, from->peer_address);
  to->peer_name = lsmtpd_t_word(mail, from->peer_name);
  to->local_address = lsmtpd_t_word(mail, from->local_address);
  to->proxy_address = lsmtpd_t_word(mail, from->proxy_address);
  if (from->tls != NULL) {
    mail->tls.client_verified = from->tls->client_verified;
    mail->tls.version = lsmtpd_t_word(mail, from->tls->version);
    mail->tls.cipher = lsmtpd_t_word(mail, from->tls->cipher);
    mail->tls.server_name = lsmtpd_t_word(mail, from->tls->server_name);
    mail->tls.client_subject = lsmtpd_t_word(mail, from->tls->client_subject);
    mail->tls.client_sha256 = lsmtpd_t_word(mail, from->tls->client_sha256);
    mail->tls.by = lsmtpd_t_word(mail, from->tls->by);
    to->tls = &mail->tls;
  }
  if (from->auth != NULL) {
    mail->auth.user = lsmtpd_t_word(mail, from->auth->user);
    mail->auth.mechanism = lsmtpd_t_word(mail, from->auth->mechanism);
    to->auth = &mail->auth;
  }
}

static inline lsmtpd_making* lsmtpd_t_make(const lsmtpd_host* host, const lsmtpd_envelope* from) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "make", 0);
  const int refused = from == NULL || from->size < sizeof *from ||
                      (t->memory_limit >= 0 && t->memory_used >= t->memory_limit);
  lsmtpd_t_unlock(t);
  if (refused) return NULL;
  lsmtpd_test_mail* mail = lsmtpd_t_mail(t, from->recipient_count);
  lsmtpd_t_copy_envelope(mail, from);
  for (uint64_t i = 0; i < from->recipient_count; ++i) {
    const lsmtpd_recipient* recipient = lsmtpd_recipient_at(from, i);
    /* The pair keeps the copy; `added` is not used for edits of a message that the plugin made. */
    lsmtpd_t_add_pair(&mail->added, recipient->address, recipient->parameters);
    const lsmtpd_t_pair* pair = mail->added;
    while (pair->next != NULL) pair = pair->next;
    mail->recipients[i].address = lsmtpd_t_str(&pair->key);
    mail->recipients[i].parameters = lsmtpd_t_str(&pair->value);
    mail->recipients[i].number = recipient->number;
  }
  mail->made_by_plugin = 1;
  mail->references = 1;
  return (lsmtpd_making*)mail;
}
/* Begins each function of lsmtpd.making: the message must not be handed over or dropped. Locks the
 * mutex. */
static inline lsmtpd_test_mail* lsmtpd_t_enter_making(const lsmtpd_making* making,
                                                      const char* function) {
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)(uintptr_t)making;
  lsmtpd_t_lock(mail->test);
  if (!mail->made_by_plugin)
    lsmtpd_t_fail(mail->test, "making: %s() after loaded() or drop()", function);
  return mail;
}
static inline int32_t lsmtpd_t_making_append(lsmtpd_making* making, lsmtpd_str content) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_making(making, "append");
  const int allowed = lsmtpd_t_may_edit(mail, "append");
  if (allowed) lsmtpd_t_append(&mail->content, content.data, (size_t)content.size);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_making_annotate(lsmtpd_making* making, lsmtpd_str key,
                                               lsmtpd_str value) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_making(making, "annotate");
  const int allowed = lsmtpd_t_may_edit(mail, "annotate");
  if (allowed) lsmtpd_t_set_pair(&mail->annotations, key, value);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline void lsmtpd_t_making_drop(lsmtpd_making* making) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_making(making, "drop");
  mail->made_by_plugin = 0;
  mail->references = 0;
  lsmtpd_t_unlock(mail->test);
}

static inline void lsmtpd_t_loaded(const lsmtpd_host* host, lsmtpd_call id, lsmtpd_making* making,
                                   const lsmtpd_delivery* stored) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)making;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (mail == NULL || !mail->made_by_plugin) {
    lsmtpd_t_fail(t, "replay: loaded() with a message that is not from make()");
  } else {
    mail->references = 0;
    mail->made_by_plugin = 0;
  }
  if (call != NULL) {
    if (stored != NULL) {
      lsmtpd_t_append(&call->target, stored->target.data, (size_t)stored->target.size);
      lsmtpd_t_append(&call->reason, stored->reason.data, (size_t)stored->reason.size);
      call->verdict.target = call->target.data;
      call->verdict.reason = call->reason.data;
      call->verdict.attempts = stored->attempts;
      call->verdict.in_doubt = (stored->flags & LSMTPD_DELIVERY_IN_DOUBT) != 0;
    }
    call->verdict.mail = mail;
    lsmtpd_t_close_call(call, mail == NULL ? LSMTPD_TEMPFAIL : LSMTPD_CONTINUE);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline const void* lsmtpd_t_replay_table(void) {
  static const lsmtpd_replay_host_1 table = {lsmtpd_t_listed, lsmtpd_t_loaded, lsmtpd_t_counted};
  return &table;
}
static inline const void* lsmtpd_t_making_table(void) {
  static const lsmtpd_making_1 table = {lsmtpd_t_make, lsmtpd_t_making_append,
                                        lsmtpd_t_making_annotate, lsmtpd_t_making_drop};
  return &table;
}

#endif
