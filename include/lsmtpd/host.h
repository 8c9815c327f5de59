// SPDX-License-Identifier: Apache-2.0
/* The host's side: what every instance and every lane gets. Extensions of the host are in log.h,
 * message.h, loop.h, memory.h and replay.h.
 */
#ifndef LSMTPD_HOST_H
#define LSMTPD_HOST_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lsmtpd_host lsmtpd_host;

struct lsmtpd_host {
  void* self;          /* the host's own */
  lsmtpd_str name;     /* NAME of [plugin.NAME], as logs show it */
  lsmtpd_str hostname; /* server.hostname */
  lsmtpd_str version;  /* of the host, "1.2.3" */
  uint32_t worker;     /* number of the lane's worker, from 0; an instance's host has 0 */
  uint32_t workers;    /* how many workers, so lanes, there are */
  /* [any] The host's table with this id, or NULL. Lives as long as the host struct. */
  const void* (*get_extension)(const lsmtpd_host* host, const char* id);
  /* [any] Completes a call, also from inside the function that got it; the plugin is never
   * re-entered from here. `verdict` is copied. Use the lane's host that got the call. */
  void (*complete)(const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_verdict* verdict);
  /* [loop] The lane that got this host is closed. */
  void (*lane_closed)(const lsmtpd_host* host);
};

#ifdef __cplusplus
}
#endif
#endif
