// SPDX-License-Identifier: Apache-2.0
/* Fake host: completions, lane_closed, the log, the memory budget, replay. */
#ifndef LSMTPD_TESTING_HOST_H
#define LSMTPD_TESTING_HOST_H

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

static inline int lsmtpd_t_left_over(const lsmtpd_t_task* task, const lsmtpd_t_host* host) {
  int count = 0;
  for (; task != NULL; task = task->next) count += task->host == host;
  return count;
}

static inline void lsmtpd_t_lane_closed(const lsmtpd_host* host) {
  lsmtpd_t_host* self = lsmtpd_t_self(host);
  lsmtpd_test* t = self->test;
  lsmtpd_t_lock(t);
  if (self->closed) lsmtpd_t_fail(t, "lane: lane_closed() twice");
  if (!lsmtpd_t_on_loop(t)) lsmtpd_t_fail(t, "lane: lane_closed() on another thread");
  if (!self->is_lane) lsmtpd_t_fail(t, "lane: lane_closed() on the instance's host");
  static const char* const names[] = {"timers",         "watches",         "posts",
                                      "deferred tasks", "offloaded tasks", "look-ups"};
  const lsmtpd_t_task* const lists[] = {t->timers,   t->watches,   t->posted,
                                        t->deferred, t->offloaded, t->resolving};
  for (int i = 0; i < 6; ++i) {
    const int count = lsmtpd_t_left_over(lists[i], self);
    if (count != 0) lsmtpd_t_fail(t, "lane: lane_closed() with %d %s left", count, names[i]);
  }
  for (size_t i = 0; i < t->call_count; ++i)
    if (t->calls[i]->host == self && !t->calls[i]->answered)
      lsmtpd_t_fail(t, "call %u: open at lane_closed()", (unsigned)(i + 1));
  self->closed = 1;
  self->lane = NULL;
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline uint32_t lsmtpd_t_log_enabled(const lsmtpd_host* host, uint32_t level) {
  return level >= lsmtpd_t_self(host)->test->log_level;
}
/* One line: "warn message key=value key=value". */
static inline void lsmtpd_t_log_write(const lsmtpd_host* host, uint32_t level, lsmtpd_str message,
                                      const lsmtpd_log_field* fields, uint32_t stride,
                                      uint32_t count) {
  static const char* const names[] = {"?", "debug", "info", "warn", "error"};
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_test_text* log = &t->log;
  const char* name = names[level <= 4 ? level : 0];
  lsmtpd_t_append(log, name, strlen(name));
  lsmtpd_t_append(log, " ", 1);
  lsmtpd_t_append(log, message.data, (size_t)message.size);
  for (uint32_t i = 0; i < count && i < 32; ++i) {
    const lsmtpd_log_field* field =
        (const lsmtpd_log_field*)(const void*)((const char*)fields + (size_t)i * stride);
    lsmtpd_t_append(log, " ", 1);
    lsmtpd_t_append(log, field->key.data, (size_t)field->key.size);
    lsmtpd_t_append(log, "=", 1);
    lsmtpd_t_append(log, field->value.data, (size_t)field->value.size);
  }
  lsmtpd_t_append(log, "\n", 1);
  lsmtpd_t_unlock(t);
}

static inline int32_t lsmtpd_t_reserve(const lsmtpd_host* host, uint64_t bytes) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "reserve", 0);
  const int refused = t->memory_limit >= 0 && t->memory_used + (int64_t)bytes > t->memory_limit;
  if (!refused) t->memory_used += (int64_t)bytes;
  lsmtpd_t_unlock(t);
  return refused ? -1 : 0;
}
static inline void lsmtpd_t_release(const lsmtpd_host* host, uint64_t bytes) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test; /* also after lane_closed() */
  lsmtpd_t_lock(t);
  t->memory_used -= (int64_t)bytes;
  if (t->memory_used < 0) lsmtpd_t_fail(t, "memory: more was released than reserved");
  lsmtpd_t_unlock(t);
}

static inline void lsmtpd_t_listed(const lsmtpd_host* host, lsmtpd_call id,
                                   const lsmtpd_copy* copies, uint32_t stride, uint32_t count,
                                   uint32_t end) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    for (uint32_t i = 0; i < count; ++i) {
      const lsmtpd_copy* copy =
          (const lsmtpd_copy*)(const void*)((const char*)copies + (size_t)i * stride);
      lsmtpd_t_append(&call->copy_ids, copy->copy_id.data, (size_t)copy->copy_id.size);
      if (copy->flags & LSMTPD_COPY_IN_DOUBT) lsmtpd_t_append(&call->copy_ids, " in doubt", 9);
      lsmtpd_t_append(&call->copy_ids, "\n", 1);
    }
    call->verdict.copy_ids = call->copy_ids.data == NULL ? "" : call->copy_ids.data;
    call->verdict.end = end;
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

static inline const void* lsmtpd_t_get_extension(const lsmtpd_host* host, const char* id) {
  static const lsmtpd_log_1 log = {lsmtpd_t_log_enabled, lsmtpd_t_log_write};
  static const lsmtpd_memory_1 memory = {lsmtpd_t_reserve, lsmtpd_t_release};
  static const lsmtpd_replay_host_1 replay = {lsmtpd_t_listed, lsmtpd_t_loaded};
  static const lsmtpd_making_1 making = {lsmtpd_t_make, lsmtpd_t_making_append,
                                         lsmtpd_t_making_annotate, lsmtpd_t_making_drop};
  const int is_lane = lsmtpd_t_self(host)->is_lane;
  if (strcmp(id, LSMTPD_LOG) == 0) return &log;
  if (strcmp(id, LSMTPD_MEMORY) == 0) return &memory;
  if (strcmp(id, LSMTPD_MESSAGE) == 0) return lsmtpd_t_message_table();
  if (strcmp(id, LSMTPD_ANNOTATIONS) == 0) return lsmtpd_t_annotations_table();
  if (strcmp(id, LSMTPD_EDITS) == 0) return lsmtpd_t_edits_table();
  if (strcmp(id, LSMTPD_HEADER) == 0) return lsmtpd_t_header_table();
  if (strcmp(id, LSMTPD_REPLAY_HOST) == 0 && is_lane) return &replay;
  if (strcmp(id, LSMTPD_MAKING) == 0 && is_lane) return &making;
  if (strcmp(id, LSMTPD_LOOP) == 0 && is_lane) return lsmtpd_t_loop_table();
  return NULL;
}

static inline lsmtpd_t_host* lsmtpd_t_new_host(lsmtpd_test* t, int is_lane) {
  lsmtpd_t_host* host = (lsmtpd_t_host*)lsmtpd_t_alloc(sizeof *host);
  host->test = t;
  host->is_lane = is_lane;
  host->raw.size = sizeof host->raw;
  host->raw.self = host;
  host->raw.name = lsmtpd_test_str(t->name);
  host->raw.hostname = lsmtpd_test_str(t->hostname);
  host->raw.version = lsmtpd_test_str("0.0.0");
  host->raw.worker = is_lane ? t->lane_count++ : 0;
  host->raw.workers = t->workers;
  host->raw.get_extension = lsmtpd_t_get_extension;
  host->raw.complete = lsmtpd_t_complete;
  host->raw.complete_recipients = lsmtpd_t_complete_recipients;
  host->raw.lane_closed = lsmtpd_t_lane_closed;
  host->next = t->hosts;
  t->hosts = host;
  return host;
}

#endif
