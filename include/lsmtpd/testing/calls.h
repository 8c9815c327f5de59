// SPDX-License-Identifier: Apache-2.0
/* Fake host: the calls, and their completion by the plugin. */
#ifndef LSMTPD_TESTING_CALLS_H
#define LSMTPD_TESTING_CALLS_H

#include "loop.h"
#include "mail.h"

static inline lsmtpd_t_call* lsmtpd_t_find_call(const lsmtpd_test* t, lsmtpd_call id) {
  /* The high half is a generation, so that no other number is a valid call. */
  const uint64_t index = (id & 0xffffffffu) - 1;
  return (id >> 32) == 7 && index < t->call_count ? t->calls[index] : NULL;
}

/* Frees the arguments of a call once it is completed and the plugin's function has returned. The
 * mutex is held. */
static inline void lsmtpd_t_let_go(lsmtpd_t_call* call) {
  if (call->mail != NULL && call->answered && !call->in_function) --call->mail->references;
}

/* Ends the rights of an open call; edits take effect if it was CONTINUE or ACCEPT. The mutex
 * is held. */
static inline void lsmtpd_t_close_call(lsmtpd_t_call* call, uint32_t kind) {
  const int good = kind == LSMTPD_CONTINUE || kind == LSMTPD_ACCEPT;
  call->answered = 1;
  call->verdict.kind = kind;
  if (call->mail == NULL) return;
  call->mail->open = 0;
  call->mail->edited = good;
  if (call->mail->session != 0 && good)
    lsmtpd_t_copy_pairs(&call->mail->annotations, call->mail->annotation_edits);
  lsmtpd_t_let_go(call);
}

/* The plugin's function that got the call has returned. */
static inline lsmtpd_call lsmtpd_t_returned(lsmtpd_test* t, lsmtpd_t_call* call) {
  lsmtpd_t_lock(t);
  call->in_function = 0;
  lsmtpd_t_let_go(call);
  lsmtpd_t_unlock(t);
  return call->id;
}

/* The call an answer is for, or NULL, and then the failure is noted. The mutex is held. */
static inline lsmtpd_t_call* lsmtpd_t_answer(lsmtpd_test* t, const lsmtpd_host* host,
                                             lsmtpd_call id) {
  lsmtpd_t_call* call = lsmtpd_t_find_call(t, id);
  if (lsmtpd_t_self(host)->closed) lsmtpd_t_fail(t, "host: complete() after lane_closed()");
  if (call == NULL)
    lsmtpd_t_fail(t, "call: completed one that never was");
  else if (call->answered)
    lsmtpd_t_fail(t, "call %u: completed twice", (unsigned)(id & 0xffffffffu));
  else if (call->host != lsmtpd_t_self(host))
    lsmtpd_t_fail(t, "call %u: completed on the host of another lane",
                  (unsigned)(id & 0xffffffffu));
  else
    return call;
  return NULL;
}

/* Copies a verdict, and notes its mistakes as failures. The mutex is held. */
static inline void lsmtpd_t_take_verdict(lsmtpd_test* t, const lsmtpd_t_call* call,
                                         const lsmtpd_verdict* from, lsmtpd_test_verdict* to,
                                         lsmtpd_test_text words[3]) {
  const unsigned number = (unsigned)(call->id & 0xffffffffu);
  to->enhanced = to->text = to->detail = to->copy_ids = to->target = to->reason = "";
  to->kind = LSMTPD_TEMPFAIL;
  if (from == NULL || from->size < sizeof *from) {
    lsmtpd_t_fail(t, "call %u: a verdict whose size is not set", number);
    return;
  }
  if (from->kind > 31 || (call->kinds >> from->kind & 1u) == 0)
    lsmtpd_t_fail(t, "call %u: an answer of kind %u makes no sense for it", number,
                  (unsigned)from->kind);
  lsmtpd_t_append(&words[0], from->enhanced.data, (size_t)from->enhanced.size);
  lsmtpd_t_append(&words[1], from->text.data, (size_t)from->text.size);
  lsmtpd_t_append(&words[2], from->detail.data, (size_t)from->detail.size);
  to->kind = from->kind;
  to->code = from->code;
  to->flags = from->flags;
  to->enhanced = words[0].data;
  to->text = words[1].data;
  to->detail = words[2].data;
}

static inline void lsmtpd_t_complete(const lsmtpd_host* host, lsmtpd_call id,
                                     const lsmtpd_verdict* verdict) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    lsmtpd_t_take_verdict(t, call, verdict, &call->verdict, call->words);
    lsmtpd_t_close_call(call, call->verdict.kind);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline int lsmtpd_t_rank(uint32_t kind) {
  return kind == LSMTPD_REJECT ? 2 : kind == LSMTPD_STORED ? 0 : 1;
}
static inline void lsmtpd_t_complete_recipients(const lsmtpd_host* host, lsmtpd_call id,
                                                const lsmtpd_verdict* verdicts, uint32_t stride,
                                                uint32_t count) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    const char* at = (const char*)verdicts;
    uint32_t worst = 0;
    if (call->delivery.size == 0)
      lsmtpd_t_fail(t, "call %u: complete_recipients() is for outputs",
                    (unsigned)(id & 0xffffffffu));
    else if (count == 0 || count != call->mail->envelope.recipient_count)
      lsmtpd_t_fail(t, "call %u: %u verdicts for %u recipients", (unsigned)(id & 0xffffffffu),
                    count, (unsigned)call->mail->envelope.recipient_count);
    else
      call->recipients = (lsmtpd_test_verdict*)lsmtpd_t_alloc(count * sizeof *call->recipients);
    for (uint32_t i = 0; call->recipients != NULL && i < count; ++i, at += stride) {
      lsmtpd_test_text words[3];
      memset(words, 0, sizeof words);
      lsmtpd_t_take_verdict(t, call, (const lsmtpd_verdict*)(const void*)at, &call->recipients[i],
                            words);
      for (int word = 0; word < 3; ++word) lsmtpd_t_keep(t, words[word].data);
      if (lsmtpd_t_rank(call->recipients[i].kind) > lsmtpd_t_rank(call->recipients[worst].kind))
        worst = i;
    }
    if (call->recipients != NULL) {
      call->verdict = call->recipients[worst];
      call->verdict.recipients = call->recipients;
      call->verdict.recipient_count = count;
    }
    lsmtpd_t_close_call(call, call->recipients == NULL ? LSMTPD_TEMPFAIL : call->verdict.kind);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

#endif
