// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.loop/1, turned by hand. */
#ifndef LSMTPD_TESTING_LOOP_H
#define LSMTPD_TESTING_LOOP_H

#include "tools.h"

#include <fcntl.h>
#include <sys/stat.h>

static inline lsmtpd_t_host* lsmtpd_t_self(const lsmtpd_host* host) {
  return (lsmtpd_t_host*)host->self;
}

/* Begins each function that a plugin calls: the lane must be open, and on its loop where `loop`
 * is 1. Locks the mutex. */
static inline lsmtpd_test* lsmtpd_t_use_host(const lsmtpd_host* host, const char* function,
                                             int loop) {
  lsmtpd_t_host* self = lsmtpd_t_self(host);
  lsmtpd_test* t = self->test;
  lsmtpd_t_lock(t);
  if (self->closed) lsmtpd_t_fail(t, "host: %s() after lane_closed()", function);
  if (loop && !lsmtpd_t_on_loop(t)) lsmtpd_t_fail(t, "loop: %s() on another thread", function);
  return t;
}

static inline lsmtpd_t_task* lsmtpd_t_new_task(lsmtpd_test* t, const lsmtpd_host* host,
                                               void* data) {
  lsmtpd_t_task* task = (lsmtpd_t_task*)lsmtpd_t_alloc(sizeof *task);
  task->host = lsmtpd_t_self(host);
  task->data = data;
  task->id = ++t->next_id;
  return task;
}
static inline void lsmtpd_t_queue(lsmtpd_t_task** list, lsmtpd_t_task* task) {
  while (*list != NULL) list = &(*list)->next;
  task->next = NULL;
  *list = task;
}
/* Takes the task with this id out of the list; NULL: it is not there. */
static inline lsmtpd_t_task* lsmtpd_t_take(lsmtpd_t_task** list, uint64_t id) {
  while (*list != NULL && (*list)->id != id) list = &(*list)->next;
  lsmtpd_t_task* task = *list;
  if (task != NULL) *list = task->next;
  return task;
}

static inline uint64_t lsmtpd_t_now_ms(const lsmtpd_host* host) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "now_ms", 1);
  const uint64_t now = t->now_ms;
  lsmtpd_t_unlock(t);
  return now;
}

static inline uint64_t lsmtpd_t_watch(const lsmtpd_host* host, int32_t fd, uint32_t events,
                                      lsmtpd_fd_ready ready, void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "watch", 1);
  uint64_t id = 0;
  /* A duplicate, as in the daemon. */
  struct stat status;
  int own = t->no_watch ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own >= 0 && fstat(own, &status) == 0 &&
      (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
    close(own); /* a file is always ready, and cannot be watched */
    own = -1;
  }
  if (own >= 0) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
    task->fd = own;
    task->events = events;
    task->ready = ready;
    id = task->id;
    lsmtpd_t_queue(&t->watches, task);
  }
  lsmtpd_t_unlock(t);
  return id;
}
static inline void lsmtpd_t_rewatch(const lsmtpd_host* host, uint64_t id, uint32_t events) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "rewatch", 1);
  lsmtpd_t_task* task = t->watches;
  while (task != NULL && task->id != id) task = task->next;
  if (task == NULL)
    lsmtpd_t_fail(t, "loop: rewatch() of a watch that is not there");
  else
    task->events = events;
  lsmtpd_t_unlock(t);
}
static inline void lsmtpd_t_unwatch(const lsmtpd_host* host, uint64_t id) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "unwatch", 1);
  lsmtpd_t_task* task = lsmtpd_t_take(&t->watches, id);
  if (task == NULL)
    lsmtpd_t_fail(t, "loop: unwatch() of a watch that is not there");
  else
    close(task->fd);
  free(task);
  lsmtpd_t_unlock(t);
}

static inline uint64_t lsmtpd_t_timer(const lsmtpd_host* host, uint64_t ms, lsmtpd_task run,
                                      void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "timer", 1);
  uint64_t id = 0;
  if (!t->no_timer) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
    task->run = run;
    task->due = t->now_ms + ms;
    id = task->id;
    lsmtpd_t_queue(&t->timers, task);
  }
  lsmtpd_t_unlock(t);
  return id;
}
static inline void lsmtpd_t_cancel_timer(const lsmtpd_host* host, uint64_t id) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "cancel_timer", 1);
  free(lsmtpd_t_take(&t->timers, id));
  lsmtpd_t_unlock(t);
}

static inline void lsmtpd_t_defer(const lsmtpd_host* host, lsmtpd_task run, void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "defer", 1);
  lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
  task->run = run;
  lsmtpd_t_queue(&t->deferred, task);
  lsmtpd_t_unlock(t);
}
static inline int32_t lsmtpd_t_post(const lsmtpd_host* host, lsmtpd_task run, void* data) {
  lsmtpd_test* t = lsmtpd_t_self(host)->test;
  lsmtpd_t_lock(t);
  const int refused = lsmtpd_t_self(host)->closed || t->no_post;
  if (!refused) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
    task->run = run;
    lsmtpd_t_queue(&t->posted, task);
  }
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
  return refused ? -1 : 0;
}
static inline int32_t lsmtpd_t_offload(const lsmtpd_host* host, lsmtpd_task work, lsmtpd_task done,
                                       void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "offload", 1);
  const int refused = t->no_offload;
  if (!refused) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
    task->run = work;
    task->done = done;
    lsmtpd_t_queue(&t->offloaded, task);
  }
  lsmtpd_t_unlock(t);
  return refused ? -1 : 0;
}
static inline int32_t lsmtpd_t_resolve(const lsmtpd_host* host, lsmtpd_str name, uint32_t port,
                                       lsmtpd_resolved resolved, void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "resolve", 1);
  if (port > 65535) {
    lsmtpd_t_unlock(t);
    return -1;
  }
  lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
  task->name = lsmtpd_t_copy(name);
  task->port = port;
  task->resolved = resolved;
  lsmtpd_t_queue(&t->resolving, task);
  lsmtpd_t_unlock(t);
  return 0;
}

static inline const lsmtpd_loop_1* lsmtpd_t_loop_table(void) {
  static const lsmtpd_loop_1 table = {
      lsmtpd_t_now_ms,       lsmtpd_t_watch, lsmtpd_t_rewatch, lsmtpd_t_unwatch, lsmtpd_t_timer,
      lsmtpd_t_cancel_timer, lsmtpd_t_defer, lsmtpd_t_post,    lsmtpd_t_offload, lsmtpd_t_resolve};
  return &table;
}

#endif
