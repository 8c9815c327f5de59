// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.replay/1" [instance]: an output that gives back what it stored, so that it can be another
 * output's fallback. "lsmtpd.replay_host/1" [host]: how it answers.
 *
 * Only worker 0's lane is asked. The host lists in steps, loads up to 32 messages at a time, hands
 * each to the output it was stored for, and then forgets it (stored) or buries it (refused for
 * good): several calls may be open at once. Everything in an instance that is a fallback waits for
 * replay, dead letters excepted.
 */
#ifndef LSMTPD_REPLAY_H
#define LSMTPD_REPLAY_H

#include "message.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_REPLAY "lsmtpd.replay/1"
#define LSMTPD_REPLAY_HOST "lsmtpd.replay_host/1"

typedef struct lsmtpd_replay_1 {
  /* [loop] Lists up to `max` copy_ids that wait, in no order; answer with replay_host->listed() or
   * a verdict (TEMPFAIL). restart = 1 begins at the start, 0 goes on where the last list() ended.
   * What is stored while listing goes on may or may not be listed. */
  void (*list)(const lsmtpd_lane* lane, lsmtpd_call call, uint32_t restart, uint32_t max);
  /* [loop] Reads one message back; answer with replay_host->loaded(), with REJECT (it is gone or
   * was put in quarantine: skip it) or with TEMPFAIL. */
  void (*load)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id);
  /* [loop] It is safe elsewhere: remove it. STORED once that is done (a crash may still bring it
   * back), also where it is gone already. */
  void (*forget)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id);
  /* [loop] It was refused for good: keep it apart, with the reason, where replay does not see it.
   * STORED when done. */
  void (*dead_letter)(const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str copy_id,
                      lsmtpd_str reason);
} lsmtpd_replay_1;

typedef struct lsmtpd_replay_host_1 {
  /* [any] Answers list(): completes the call. `end` = 1: nothing is left to list. */
  void (*listed)(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_str* copy_ids,
                 uint32_t count, uint32_t end);
  /* [any; off the loop where the message may be large] Makes a message for load(): everything is
   * copied. It is filled with body_append() and annotate() of lsmtpd.message/1, then handed over
   * with loaded(), or dropped with unpin(). NULL: no memory now, answer TEMPFAIL. */
  const lsmtpd_message* (*make)(const lsmtpd_host* host, const lsmtpd_envelope* envelope);
  /* [any] Answers load(): completes the call and takes the message over. `target` is the delivery's
   * target it was stored with; empty where that is not known (a file of LSMTPD's own). */
  void (*loaded)(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_message* message,
                 lsmtpd_str target);
} lsmtpd_replay_host_1;

#ifdef __cplusplus
}
#endif
#endif
