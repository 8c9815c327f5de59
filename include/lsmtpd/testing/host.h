// SPDX-License-Identifier: Apache-2.0
/* Fake host: lane_closed, the log, the memory budget, and the host struct with its extensions. */
#ifndef LSMTPD_TESTING_HOST_H
#define LSMTPD_TESTING_HOST_H

#include "calls.h"
#include "dns.h"
#include "metrics.h"
#include "replay.h"

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
static inline uint64_t lsmtpd_t_memory_limit(const lsmtpd_host* host) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "limit", 0);
  const int64_t limit = t->memory_limit;
  lsmtpd_t_unlock(t);
  return limit < 0 ? UINT64_C(48) << 20 : (uint64_t)limit;
}
static inline void lsmtpd_t_release(const lsmtpd_host* host, uint64_t bytes) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test; /* also after lane_closed() */
  lsmtpd_t_lock(t);
  t->memory_used -= (int64_t)bytes;
  if (t->memory_used < 0) lsmtpd_t_fail(t, "memory: more was released than reserved");
  lsmtpd_t_unlock(t);
}

static inline const void* lsmtpd_t_get_extension(const lsmtpd_host* host, const char* id) {
  static const lsmtpd_log_1 log = {lsmtpd_t_log_enabled, lsmtpd_t_log_write};
  static const lsmtpd_memory_1 memory = {lsmtpd_t_reserve, lsmtpd_t_release, lsmtpd_t_memory_limit};
  const int is_lane = lsmtpd_t_self(host)->is_lane;
  if (strcmp(id, LSMTPD_LOG) == 0) return &log;
  if (strcmp(id, LSMTPD_MEMORY) == 0) return &memory;
  if (strcmp(id, LSMTPD_METRICS) == 0) return lsmtpd_t_metrics_table();
  if (strcmp(id, LSMTPD_MESSAGE) == 0) return lsmtpd_t_message_table();
  if (strcmp(id, LSMTPD_ANNOTATIONS) == 0) return lsmtpd_t_annotations_table();
  if (strcmp(id, LSMTPD_EDITS) == 0) return lsmtpd_t_edits_table();
  if (strcmp(id, LSMTPD_HEADER) == 0) return lsmtpd_t_header_table();
  if (strcmp(id, LSMTPD_REPLAY_HOST) == 0 && is_lane) return lsmtpd_t_replay_table();
  if (strcmp(id, LSMTPD_MAKING) == 0 && is_lane) return lsmtpd_t_making_table();
  if (strcmp(id, LSMTPD_LOOP) == 0 && is_lane) return lsmtpd_t_loop_table();
  if (strcmp(id, LSMTPD_DNS) == 0 && is_lane) return lsmtpd_t_dns_table();
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
