// SPDX-License-Identifier: Apache-2.0
/* The host's side: the functions for every instance and every lane. Extensions of the host are in
 * log.h, message.h, annotations.h, edits.h, header.h, loop.h, dns.h, memory.h, metrics.h and
 * replay.h.
 */
#ifndef LSMTPD_HOST_H
#define LSMTPD_HOST_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lsmtpd_host lsmtpd_host;

/* An instance's host and the hosts of its lanes live until the instance is destroyed. After
 * lane_closed() a lane's host is only good for log(), release() and post(), which fails. */
struct lsmtpd_host {
  uint32_t size;       /* bytes of this struct */
  uint32_t worker;     /* number of the lane's worker, from 0; an instance's host has 0 */
  uint32_t workers;    /* how many workers, so lanes, there are */
  uint32_t reserved;   /* 0 */
  void* self;          /* the host's own */
  lsmtpd_str name;     /* NAME of [plugin.NAME], as logs show it */
  lsmtpd_str hostname; /* server.hostname */
  lsmtpd_str version;  /* of the host, "1.2.3" */
  /* [any] The host's table with this id, or NULL. Lives as long as the host struct. */
  const void* (*get_extension)(const lsmtpd_host* host, const char* id);
  /* [any] Completes a call, also from inside the function that got it; the plugin is never
   * re-entered from here. `verdict` is copied. Use the lane's host that got the call. */
  void (*complete)(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_verdict* verdict);
  /* [any] Completes a call of lsmtpd.output/1 recipient by recipient: verdict `i` is for recipient
   * `i` of the message's envelope, and `count` is their number; with another count all of them
   * count as TEMPFAIL. The fallback and replay get the message for the recipients with TEMPFAIL
   * only. An LMTP client gets each its own reply; an SMTP client the worst of them, where REJECT is
   * worse than TEMPFAIL and that is worse than STORED. `verdicts` are copied. */
  void (*complete_recipients)(const lsmtpd_host* host, lsmtpd_call call,
                              const lsmtpd_verdict* verdicts, uint32_t stride, uint32_t count);
  /* [loop] The lane that got this host is closed. */
  void (*lane_closed)(const lsmtpd_host* host);
};

#ifdef __cplusplus
}
#endif
#endif
