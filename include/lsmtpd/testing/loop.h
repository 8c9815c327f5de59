/* Fake host: lsmtpd.loop/1, turned by hand. */
#ifndef LSMTPD_TESTING_LOOP_H
#define LSMTPD_TESTING_LOOP_H

#include "base.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

static inline lsmtpd_t_host* lsmtpd_t_self(const lsmtpd_host* host) {
  return (lsmtpd_t_host*)host->self;
}

/* The plugin's way in: a lane that is open, on its loop where `loop` is 1. The mutex is taken. */
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
  if (!t->no_watch) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, data);
    task->fd = fd;
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
  if (task == NULL) lsmtpd_t_fail(t, "loop: unwatch() of a watch that is not there");
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

/* ---- one turn ---- */

/* The whole list, emptied: what callbacks add waits for the next turn. */
static inline lsmtpd_t_task* lsmtpd_t_take_all(lsmtpd_test* t, lsmtpd_t_task** list) {
  lsmtpd_t_lock(t);
  lsmtpd_t_task* all = *list;
  *list = NULL;
  lsmtpd_t_unlock(t);
  return all;
}

static inline int lsmtpd_t_run_list(lsmtpd_t_task* task) {
  int ran = 0;
  while (task != NULL) {
    lsmtpd_t_task* next = task->next;
    if (task->threaded) pthread_join(task->thread, NULL);
    (task->done != NULL ? task->done : task->run)(task->data);
    free(task);
    task = next;
    ++ran;
  }
  return ran;
}

static inline void* lsmtpd_t_work(void* data) {
  lsmtpd_t_task* task = (lsmtpd_t_task*)data;
  lsmtpd_test* t = task->host->test;
  task->run(task->data);
  lsmtpd_t_lock(t);
  lsmtpd_t_queue(&t->finished, task);
  lsmtpd_t_unlock(t);
  lsmtpd_t_wake(t);
  return NULL;
}

static inline int lsmtpd_t_run_offloaded(lsmtpd_test* t) {
  if (t->offload == LSMTPD_TEST_OFFLOAD_HELD) return 0;
  int ran = 0;
  lsmtpd_t_task* task = lsmtpd_t_take_all(t, &t->offloaded);
  while (task != NULL) {
    lsmtpd_t_task* next = task->next;
    task->threaded = t->offload == LSMTPD_TEST_OFFLOAD_THREAD;
    if (!task->threaded) {
      t->in_work = 1;
      lsmtpd_t_work(task);
      t->in_work = 0;
    } else if (pthread_create(&task->thread, NULL, lsmtpd_t_work, task) != 0) {
      abort();
    }
    task = next;
    ++ran;
  }
  return ran;
}

/* Numeric addresses and "localhost" only: tests do not touch the network. */
static inline int lsmtpd_t_run_resolved(lsmtpd_test* t) {
  int ran = 0;
  lsmtpd_t_task* task = lsmtpd_t_take_all(t, &t->resolving);
  while (task != NULL) {
    lsmtpd_t_task* next = task->next;
    struct addrinfo hints, *found = NULL;
    char port[16];
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    snprintf(port, sizeof port, "%u", task->port);
    const char* name = strcmp(task->name.data, "localhost") == 0 ? "127.0.0.1" : task->name.data;
    if (getaddrinfo(name, port, &hints, &found) == 0) {
      lsmtpd_address address;
      address.address = found->ai_addr;
      address.length = (uint32_t)found->ai_addrlen;
      address.reserved = 0;
      task->resolved(task->data, lsmtpd_test_str(""), &address, 1);
      freeaddrinfo(found);
    } else {
      task->resolved(task->data, lsmtpd_test_str("no such host"), NULL, 0);
    }
    free(task->name.data);
    free(task);
    task = next;
    ++ran;
  }
  return ran;
}

/* Fires the earliest timer that is due at `until` and no newer than `newest`. 0: there is none. */
static inline int lsmtpd_t_fire(lsmtpd_test* t, uint64_t until, uint64_t newest) {
  lsmtpd_t_lock(t);
  const lsmtpd_t_task* first = NULL;
  for (const lsmtpd_t_task* task = t->timers; task != NULL; task = task->next)
    if (task->due <= until && task->id <= newest && (first == NULL || task->due < first->due))
      first = task;
  lsmtpd_t_task* task = first == NULL ? NULL : lsmtpd_t_take(&t->timers, first->id);
  if (task != NULL && task->due > t->now_ms) t->now_ms = task->due;
  lsmtpd_t_unlock(t);
  if (task == NULL) return 0;
  task->run(task->data);
  free(task);
  return 1;
}

static inline short lsmtpd_t_poll_events(uint32_t events) {
  return (short)(((events & LSMTPD_READABLE) ? POLLIN : 0) |
                 ((events & LSMTPD_WRITABLE) ? POLLOUT : 0));
}

/* Calls a watch that is still there and still wants the events. */
static inline int lsmtpd_t_ready(lsmtpd_test* t, uint64_t id, short got) {
  lsmtpd_t_lock(t);
  const lsmtpd_t_task* task = t->watches;
  while (task != NULL && task->id != id) task = task->next;
  lsmtpd_fd_ready ready = NULL;
  void* data = NULL;
  uint32_t events = 0;
  if (task != NULL && task->events != 0) {
    if (got & (POLLIN | POLLHUP)) events |= LSMTPD_READABLE;
    if (got & POLLOUT) events |= LSMTPD_WRITABLE;
    events &= task->events;
    if (got & (POLLERR | POLLNVAL) || (events == 0 && (got & POLLHUP))) events |= LSMTPD_FD_ERROR;
    ready = task->ready;
    data = task->data;
  }
  lsmtpd_t_unlock(t);
  if (events == 0) return 0;
  ready(data, events);
  return 1;
}

/* Waits up to `ms` for descriptors, posts and completions. */
static inline int lsmtpd_t_poll(lsmtpd_test* t, int ms) {
  struct pollfd fds[64];
  uint64_t ids[64];
  nfds_t count = 1;
  int ran = 0;
  fds[0].fd = t->wake[0];
  fds[0].events = POLLIN;
  lsmtpd_t_lock(t);
  for (const lsmtpd_t_task* task = t->watches; task != NULL && count < 64; task = task->next) {
    if (task->events == 0) continue;
    fds[count].fd = task->fd;
    fds[count].events = lsmtpd_t_poll_events(task->events);
    ids[count++] = task->id;
  }
  lsmtpd_t_unlock(t);
  if (poll(fds, count, ms) <= 0) return 0;
  if (fds[0].revents != 0) {
    char drain[256];
    while (read(t->wake[0], drain, sizeof drain) == (ssize_t)sizeof drain) continue;
  }
  for (nfds_t i = 1; i < count; ++i)
    if (fds[i].revents != 0) ran += lsmtpd_t_ready(t, ids[i], fds[i].revents);
  return ran;
}

static inline void lsmtpd_t_tick(lsmtpd_test* t) {
  if (!t->real_time && !t->in_close) return;
  const uint64_t clock = lsmtpd_t_clock_ms();
  lsmtpd_t_lock(t);
  t->now_ms += clock - t->real_base_ms;
  t->real_base_ms = clock;
  lsmtpd_t_unlock(t);
}

/* Milliseconds until the next timer where time runs by itself, at most `ms`. */
static inline int lsmtpd_t_until_timer(lsmtpd_test* t, int ms) {
  if (!t->real_time && !t->in_close) return ms;
  lsmtpd_t_lock(t);
  for (const lsmtpd_t_task* task = t->timers; task != NULL; task = task->next) {
    const uint64_t left = task->due > t->now_ms ? task->due - t->now_ms : 0;
    if (left < (uint64_t)ms) ms = (int)left;
  }
  lsmtpd_t_unlock(t);
  return ms;
}

/* One turn of the loop: everything that is due, and up to `ms` of waiting where nothing is. How
 * many callbacks ran. */
static inline int lsmtpd_test_turn(lsmtpd_test* t, int ms) {
  lsmtpd_t_tick(t);
  int ran = lsmtpd_t_run_list(lsmtpd_t_take_all(t, &t->posted));
  ran += lsmtpd_t_run_offloaded(t);
  ran += lsmtpd_t_run_list(lsmtpd_t_take_all(t, &t->finished));
  ran += lsmtpd_t_run_resolved(t);
  const uint64_t newest = t->next_id; /* a timer set again at 0 ms waits for the next turn */
  while (lsmtpd_t_fire(t, t->now_ms, newest)) ++ran;
  ran += lsmtpd_t_run_list(lsmtpd_t_take_all(t, &t->deferred));
  ran += lsmtpd_t_poll(t, ran != 0 ? 0 : lsmtpd_t_until_timer(t, ms));
  ran += lsmtpd_t_run_list(lsmtpd_t_take_all(t, &t->deferred));
  return ran;
}

/* Turns until nothing is left to do at once. */
static inline void lsmtpd_test_settle(lsmtpd_test* t) {
  int turns = 0;
  while (lsmtpd_test_turn(t, 0) != 0 && ++turns < 100000) continue;
  if (turns < 100000) return;
  lsmtpd_t_lock(t);
  lsmtpd_t_fail(t, "loop: never comes to rest: a watch or a task that always asks for more");
  lsmtpd_t_unlock(t);
}

/* Moves time: fires the timers on the way, in their order. */
static inline void lsmtpd_test_advance(lsmtpd_test* t, uint64_t ms) {
  const uint64_t target = t->now_ms + ms;
  lsmtpd_test_settle(t);
  while (lsmtpd_t_fire(t, target, UINT64_MAX)) lsmtpd_test_settle(t);
  t->now_ms = target;
  lsmtpd_test_settle(t);
}

/* 1: time runs by itself from now on. */
static inline void lsmtpd_test_real_time(lsmtpd_test* t, int on) {
  t->real_base_ms = lsmtpd_t_clock_ms();
  t->real_time = on;
}

#endif
