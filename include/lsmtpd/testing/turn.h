// SPDX-License-Identifier: Apache-2.0
/* Fake host: turns the loop, which runs all posts, deferred tasks, offloaded work, watches and
 * look-ups of the plugin. */
#ifndef LSMTPD_TESTING_TURN_H
#define LSMTPD_TESTING_TURN_H

#include "dns.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

/* Takes the whole list: tasks that callbacks add wait for the next turn. */
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

#define LSMTPD_T_ADDRESSES 8

/* How many of the numeric `names`, a space between them, are addresses. The results are freed by
 * the caller. */
static inline uint32_t lsmtpd_t_lookup(const char* names, uint32_t number, struct addrinfo** found,
                                       lsmtpd_address* addresses) {
  uint32_t count = 0;
  struct addrinfo hints;
  char port[16], name[64];
  memset(&hints, 0, sizeof hints);
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  snprintf(port, sizeof port, "%u", number);
  while (*names != '\0' && count < LSMTPD_T_ADDRESSES) {
    size_t size = strcspn(names, " ");
    snprintf(name, sizeof name, "%.*s", (int)size, names);
    names += size + (names[size] == ' ');
    if (getaddrinfo(name, port, &hints, &found[count]) != 0) continue;
    addresses[count].address = found[count]->ai_addr;
    addresses[count].length = (uint32_t)found[count]->ai_addrlen;
    addresses[count].reserved = 0;
    ++count;
  }
  return count;
}

/* Numeric addresses, "localhost" and t->addresses only: tests do not touch the network. */
static inline int lsmtpd_t_run_resolved(lsmtpd_test* t) {
  int ran = 0;
  if (t->no_resolve) return 0;
  lsmtpd_t_task* task = lsmtpd_t_take_all(t, &t->resolving);
  while (task != NULL) {
    lsmtpd_t_task* next = task->next;
    struct addrinfo* found[LSMTPD_T_ADDRESSES];
    lsmtpd_address addresses[LSMTPD_T_ADDRESSES];
    const char* name = strcmp(task->name.data, "localhost") == 0 ? "127.0.0.1" : task->name.data;
    uint32_t count = lsmtpd_t_lookup(name, task->port, found, addresses);
    if (count == 0 && t->addresses != NULL)
      count = lsmtpd_t_lookup(t->addresses, task->port, found, addresses);
    task->resolved(task->data, lsmtpd_test_str(count == 0 ? "no such host" : ""), addresses,
                   sizeof addresses[0], count);
    for (uint32_t i = 0; i < count; ++i) freeaddrinfo(found[i]);
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

#define LSMTPD_T_WATCHES 63

/* Waits up to `ms` for descriptors, posts and completions. */
static inline int lsmtpd_t_poll(lsmtpd_test* t, int ms) {
  struct pollfd fds[LSMTPD_T_WATCHES + 1];
  uint64_t ids[LSMTPD_T_WATCHES + 1];
  nfds_t count = 1;
  int ran = 0;
  fds[0].fd = t->wake[0];
  fds[0].events = POLLIN;
  lsmtpd_t_lock(t);
  for (const lsmtpd_t_task* task = t->watches; task != NULL; task = task->next) {
    if (task->events == 0) continue;
    if (count > LSMTPD_T_WATCHES) {
      if (!t->too_many_watches)
        lsmtpd_t_fail(t, "loop: more watches than the fake host serves: %d", LSMTPD_T_WATCHES);
      t->too_many_watches = 1;
      break;
    }
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
  ran += lsmtpd_t_run_queries(t);
  lsmtpd_t_lock(t);
  const uint64_t newest = t->next_id; /* a timer set again at 0 ms waits for the next turn */
  lsmtpd_t_unlock(t);
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
