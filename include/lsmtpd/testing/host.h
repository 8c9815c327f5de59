// SPDX-License-Identifier: Apache-2.0
/* Fake host: completions, lane_closed, the log, the memory budget, replay. */
#ifndef LSMTPD_TESTING_HOST_H
#define LSMTPD_TESTING_HOST_H

#include "loop.h"
#include "mail.h"

static inline lsmtpd_t_call* lsmtpd_t_find_call(const lsmtpd_test* t, lsmtpd_call id) {
  /* The high half is a generation, so that no other number passes for a call. */
  const uint64_t index = (id & 0xffffffffu) - 1;
  return (id >> 32) == 7 && index < t->call_count ? t->calls[index] : NULL;
}

/* What open calls let the plugin do ends here; edits stand if it was CONTINUE. The mutex is held.
 */
static inline void lsmtpd_t_close_call(lsmtpd_t_call* call, uint32_t kind) {
  call->answered = 1;
  call->verdict.kind = kind;
  if (call->mail == NULL) return;
  call->mail->open = 0;
  call->mail->edited = kind == LSMTPD_CONTINUE;
  --call->mail->references;
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

static inline void lsmtpd_t_complete(const lsmtpd_host* host, lsmtpd_call id,
                                     const lsmtpd_verdict* verdict) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    if (verdict->size < sizeof *verdict) lsmtpd_t_fail(t, "call: a verdict whose size is not set");
    if (verdict->kind > 31 || (call->kinds >> verdict->kind & 1u) == 0)
      lsmtpd_t_fail(t, "call %u: an answer of kind %u makes no sense for it",
                    (unsigned)(id & 0xffffffffu), (unsigned)verdict->kind);
    lsmtpd_t_append(&call->enhanced, verdict->enhanced.data, (size_t)verdict->enhanced.size);
    lsmtpd_t_append(&call->text, verdict->text.data, (size_t)verdict->text.size);
    lsmtpd_t_append(&call->detail, verdict->detail.data, (size_t)verdict->detail.size);
    call->verdict.code = verdict->code;
    call->verdict.enhanced = call->enhanced.data;
    call->verdict.text = call->text.data;
    call->verdict.detail = call->detail.data;
    lsmtpd_t_close_call(call, verdict->kind);
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
                                      const lsmtpd_log_field* fields, uint32_t count) {
  static const char* const names[] = {"?", "debug", "info", "warn", "error"};
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_test_text* log = &t->log;
  const char* name = names[level <= 4 ? level : 0];
  lsmtpd_t_append(log, name, strlen(name));
  lsmtpd_t_append(log, " ", 1);
  lsmtpd_t_append(log, message.data, (size_t)message.size);
  for (uint32_t i = 0; i < count; ++i) {
    lsmtpd_t_append(log, " ", 1);
    lsmtpd_t_append(log, fields[i].key.data, (size_t)fields[i].key.size);
    lsmtpd_t_append(log, "=", 1);
    lsmtpd_t_append(log, fields[i].value.data, (size_t)fields[i].value.size);
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
  lsmtpd_test* t = lsmtpd_t_use_host(host, "release", 0);
  t->memory_used -= (int64_t)bytes;
  if (t->memory_used < 0) lsmtpd_t_fail(t, "memory: more was released than reserved");
  lsmtpd_t_unlock(t);
}

static inline void lsmtpd_t_listed(const lsmtpd_host* host, lsmtpd_call id,
                                   const lsmtpd_str* copy_ids, uint32_t count, uint32_t end) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (call != NULL) {
    for (uint32_t i = 0; i < count; ++i) {
      lsmtpd_t_append(&call->copy_ids, copy_ids[i].data, (size_t)copy_ids[i].size);
      lsmtpd_t_append(&call->copy_ids, "\n", 1);
    }
    call->verdict.copy_ids = call->copy_ids.data == NULL ? "" : call->copy_ids.data;
    call->verdict.end = end;
    lsmtpd_t_close_call(call, LSMTPD_CONTINUE);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline const lsmtpd_message* lsmtpd_t_make(const lsmtpd_host* host,
                                                  const lsmtpd_envelope* from) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "make", 0);
  const int refused = t->memory_limit >= 0 && t->memory_used >= t->memory_limit;
  lsmtpd_t_unlock(t);
  if (refused) return NULL;
  lsmtpd_test_mail* mail = lsmtpd_t_mail(t, from->recipient_count);
  lsmtpd_envelope* to = &mail->envelope;
  to->peer_port = from->peer_port;
  to->time_ns = from->time_ns;
  to->id = lsmtpd_t_word(mail, from->id);
  to->reverse_path = lsmtpd_t_word(mail, from->reverse_path);
  to->parameters = lsmtpd_t_word(mail, from->parameters);
  to->helo = lsmtpd_t_word(mail, from->helo);
  to->protocol = lsmtpd_t_word(mail, from->protocol);
  to->listener = lsmtpd_t_word(mail, from->listener);
  to->peer_address = lsmtpd_t_word(mail, from->peer_address);
  to->tls = lsmtpd_t_word(mail, from->tls);
  to->auth_user = lsmtpd_t_word(mail, from->auth_user);
  for (uint64_t i = 0; i < from->recipient_count; ++i) {
    /* The pair keeps the copy; `added` is not used for edits of a message that the plugin made. */
    lsmtpd_t_add_pair(&mail->added, from->recipients[i].address, from->recipients[i].parameters);
    const lsmtpd_t_pair* pair = mail->added;
    while (pair->next != NULL) pair = pair->next;
    mail->recipients[i].address = lsmtpd_t_str(&pair->key);
    mail->recipients[i].parameters = lsmtpd_t_str(&pair->value);
  }
  mail->made_by_plugin = 1;
  mail->references = 1;
  return (const lsmtpd_message*)(uintptr_t)mail;
}

static inline void lsmtpd_t_loaded(const lsmtpd_host* host, lsmtpd_call id,
                                   const lsmtpd_message* message, lsmtpd_str target) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)(uintptr_t)message;
  lsmtpd_t_lock(t);
  lsmtpd_t_call* call = lsmtpd_t_answer(t, host, id);
  if (!mail->made_by_plugin)
    lsmtpd_t_fail(t, "replay: loaded() with a message that is not from make()");
  --mail->references;
  mail->made_by_plugin = 0;
  if (call != NULL) {
    lsmtpd_t_append(&call->target, target.data, (size_t)target.size);
    call->verdict.mail = mail;
    call->verdict.target = call->target.data;
    lsmtpd_t_close_call(call, LSMTPD_CONTINUE);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
}

static inline const void* lsmtpd_t_get_extension(const lsmtpd_host* host, const char* id) {
  static const lsmtpd_log_1 log = {lsmtpd_t_log_enabled, lsmtpd_t_log_write};
  static const lsmtpd_memory_1 memory = {lsmtpd_t_reserve, lsmtpd_t_release};
  static const lsmtpd_replay_host_1 replay = {lsmtpd_t_listed, lsmtpd_t_make, lsmtpd_t_loaded};
  if (strcmp(id, LSMTPD_LOG) == 0) return &log;
  if (strcmp(id, LSMTPD_MEMORY) == 0) return &memory;
  if (strcmp(id, LSMTPD_MESSAGE) == 0) return lsmtpd_t_message_table();
  if (strcmp(id, LSMTPD_REPLAY_HOST) == 0) return &replay;
  if (strcmp(id, LSMTPD_LOOP) == 0 && lsmtpd_t_self(host)->is_lane) return lsmtpd_t_loop_table();
  return NULL;
}

static inline lsmtpd_t_host* lsmtpd_t_new_host(lsmtpd_test* t, int is_lane) {
  lsmtpd_t_host* host = (lsmtpd_t_host*)lsmtpd_t_alloc(sizeof *host);
  host->test = t;
  host->is_lane = is_lane;
  host->raw.self = host;
  host->raw.name = lsmtpd_test_str(t->name);
  host->raw.hostname = lsmtpd_test_str(t->hostname);
  host->raw.version = lsmtpd_test_str("0.0.0");
  host->raw.worker = is_lane ? t->lane_count++ : 0;
  host->raw.workers = t->workers;
  host->raw.get_extension = lsmtpd_t_get_extension;
  host->raw.complete = lsmtpd_t_complete;
  host->raw.lane_closed = lsmtpd_t_lane_closed;
  host->next = t->hosts;
  t->hosts = host;
  return host;
}

#endif
