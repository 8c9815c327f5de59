// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.loop/1" [host]: I/O on the worker's own loop, for lanes. An instance's host does not have
 * it.
 *
 * Functions that start something return an id, 0 on failure. Callbacks run on the loop [loop],
 * never from inside the function that asked for them, and not after a stop. Everything must be
 * stopped before lane_closed().
 */
#ifndef LSMTPD_LOOP_H
#define LSMTPD_LOOP_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_LOOP "lsmtpd.loop/1"

#define LSMTPD_READABLE 1u
#define LSMTPD_WRITABLE 2u
#define LSMTPD_FD_ERROR 4u /* in callbacks only */

struct sockaddr;

typedef struct lsmtpd_address {
  const struct sockaddr* address; /* AF_INET or AF_INET6, with its port */
  uint32_t length;                /* bytes */
  uint32_t reserved;
} lsmtpd_address;

typedef void (*lsmtpd_task)(void* data);
typedef void (*lsmtpd_fd_ready)(void* data, uint32_t events);
/* `error` is empty and `addresses` are in order of preference, or says why not. Live during the
 * callback. */
typedef void (*lsmtpd_resolved)(void* data, lsmtpd_str error, const lsmtpd_address* addresses,
                                uint32_t stride, uint32_t count);

typedef struct lsmtpd_loop_1 {
  /* [loop] Monotonic time in milliseconds, as of this turn of the loop; the same clock on all
   * workers. */
  uint64_t (*now_ms)(const lsmtpd_host* host);
  /* [loop] Watches a non-blocking descriptor, level-triggered. The host watches a duplicate:
   * closing `fd` without unwatch() is harmless, but its connection ends only with the watch.
   * Several watches of one descriptor are independent: each is called for the events that it asked
   * for. */
  uint64_t (*watch)(const lsmtpd_host* host, int32_t fd, uint32_t events, lsmtpd_fd_ready ready,
                    void* data);
  /* [loop] Changes the events that are watched for; 0 pauses. */
  void (*rewatch)(const lsmtpd_host* host, uint64_t watch, uint32_t events);
  /* [loop] Ends the watch; its callback does not come any more, not in this turn either. */
  void (*unwatch)(const lsmtpd_host* host, uint64_t watch);
  /* [loop] Calls `task` once after `ms` milliseconds. */
  uint64_t (*timer)(const lsmtpd_host* host, uint64_t ms, lsmtpd_task task, void* data);
  /* [loop] Ends a timer that has not fired; else nothing happens. */
  void (*cancel_timer)(const lsmtpd_host* host, uint64_t timer);
  /* [loop] Calls `task` once at the end of this turn of the loop, before it waits: the place to
   * write the output of a batch of calls. */
  void (*defer)(const lsmtpd_host* host, lsmtpd_task task, void* data);
  /* [any] Calls `task` on the loop, in order of posting. 0 is success; -1: the lane is closed, it
   * will not be called. */
  int32_t (*post)(const lsmtpd_host* host, lsmtpd_task task, void* data);
  /* [loop] Runs `work` on a pool thread, then `done` on the loop; `done` always comes. 0 is
   * success; -1: neither will, since 10,000 pieces of the instance's work wait already. The work of
   * one instance takes all threads of the pool (server.pool_threads) but one. */
  int32_t (*offload)(const lsmtpd_host* host, lsmtpd_task work, lsmtpd_task done, void* data);
  /* [loop] Resolves a host name (or a literal address) and a port number; `resolved` always comes.
   * 0 is success. Two lookups of an instance run at a time; where 1,000 wait it gets an error. */
  int32_t (*resolve)(const lsmtpd_host* host, lsmtpd_str name, uint32_t port,
                     lsmtpd_resolved resolved, void* data);
} lsmtpd_loop_1;

#ifdef __cplusplus
}
#endif
#endif
