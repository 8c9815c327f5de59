// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.replay/1" [instance]: an output that returns its stored messages, so that it can be
 * another output's fallback. "lsmtpd.replay_host/1" and "lsmtpd.making/1" [host]: how it answers.
 *
 * Only worker 0's lane is asked. The host lists in steps, loads up to 32 messages at a time, hands
 * each to the output it was stored for, and then forgets it (stored) or makes it a dead letter
 * (refused for good): several calls may be open at once. Everything in an instance that is a
 * fallback waits for replay, dead letters excepted.
 */
#ifndef LSMTPD_REPLAY_H
#define LSMTPD_REPLAY_H

#include "output.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_REPLAY "lsmtpd.replay/1"
#define LSMTPD_REPLAY_HOST "lsmtpd.replay_host/1"
#define LSMTPD_MAKING "lsmtpd.making/1"

#define LSMTPD_COPY_IN_DOUBT 1u /* it was stored with LSMTPD_DELIVERY_IN_DOUBT */
/* It waits for longer than the storage's operator wants mail to wait. Where its output took other
 * mail since, the host makes it a dead letter once it is refused; where not, the host takes no new
 * mail for that output while the output is not ready. */
#define LSMTPD_COPY_EXPIRED 2u

/* One stored copy, as list() names it. */
typedef struct lsmtpd_copy {
  lsmtpd_str copy_id;
  int64_t time_ns; /* when it was stored, nanoseconds since the epoch; 0: not known */
  uint64_t bytes;  /* size in the storage; 0: not known */
  uint32_t flags;  /* LSMTPD_COPY_... */
  uint32_t reserved;
} lsmtpd_copy;

typedef struct lsmtpd_replay_1 {
  /* [loop] Lists up to `max` copies that wait: first those in doubt, then the others, and of both
   * the oldest first. Answer with replay_host->listed() or a verdict (TEMPFAIL). restart = 1 begins
   * at the start, 0 goes on where the last list() ended. A copy stored while listing goes on may or
   * may not be listed, and at any place. */
  void (*list)(const lsmtpd_lane* lane, lsmtpd_call call, uint32_t restart, uint32_t max);
  /* [loop] Reads one message back; answer with replay_host->loaded(), with REJECT (it is gone or
   * was put in quarantine: skip it) or with TEMPFAIL. */
  void (*load)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id);
  /* [loop] The copy is stored elsewhere: remove it. Answer STORED once it is removed (a crash may
   * still restore it), also where it is gone already. */
  void (*forget)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id);
  /* [loop] The copy was refused for good: keep it apart, with the reason, where replay does not see
   * it. Answer STORED when done. */
  void (*dead_letter)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id,
                      lsmtpd_str reason);
  /* [loop] Counts the copies that wait for `target`, up to `max` of them: answer with
   * replay_host->counted(), or with TEMPFAIL. Asked before a reload takes that output away. */
  void (*count)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str target, uint64_t max);
} lsmtpd_replay_1;

typedef struct lsmtpd_making lsmtpd_making; /* opaque: a message that is being put together */

/* One thread at a time; off the loop where the message may be large. */
typedef struct lsmtpd_making_1 {
  /* [any] Begins a message: everything is copied. It ends with loaded() or drop(). NULL: no memory
   * now, answer TEMPFAIL. */
  lsmtpd_making* (*make)(const lsmtpd_host* host, const lsmtpd_envelope* envelope);
  /* [any] 0 is success, -1: out of memory. Where memory is short append() writes to a file, and may
   * block: from the loop it fails then. */
  int32_t (*append)(lsmtpd_making* making, lsmtpd_str content);
  int32_t (*annotate)(lsmtpd_making* making, lsmtpd_str key, lsmtpd_str value);
  /* [any] Frees it. */
  void (*drop)(lsmtpd_making* making);
} lsmtpd_making_1;

typedef struct lsmtpd_replay_host_1 {
  /* [any] Answers list(): completes the call. `copies` are copied. `end` = 1: nothing is left to
   * list. `waiting`: how many copies there are in all, for the log, where restart was 1 and it is
   * known; else 0. */
  void (*listed)(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_copy* copies,
                 uint32_t stride, uint32_t count, uint32_t end, uint64_t waiting);
  /* [any] Answers load(): completes the call and takes the message over. `stored` is the delivery
   * that it was stored with: flags, target, reason and attempts are read; the target is empty where
   * it is not known (a file of LSMTPD's own). */
  void (*loaded)(const lsmtpd_host* host, lsmtpd_call call, lsmtpd_making* message,
                 const lsmtpd_delivery* stored);
  /* [any] Answers count(): completes the call. */
  void (*counted)(const lsmtpd_host* host, lsmtpd_call call, uint64_t count);
} lsmtpd_replay_host_1;

#ifdef __cplusplus
}
#endif
#endif
