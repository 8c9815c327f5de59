// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.filter/1" [instance]: sees a whole message before any output does. */
#ifndef LSMTPD_FILTER_H
#define LSMTPD_FILTER_H

#include "message.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_FILTER "lsmtpd.filter/1"

typedef struct lsmtpd_filter_1 {
  /* [loop] Answer with CONTINUE, REJECT, TEMPFAIL or DISCARD, now or later. Several calls may be
   * open at once. */
  void (*message)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message);
  /* [loop] The host no longer waits for this call (deadline, client gone, shutdown): give up and
   * complete it soon, with any verdict. May be NULL. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
} lsmtpd_filter_1;

#ifdef __cplusplus
}
#endif
#endif
