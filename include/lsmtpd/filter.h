// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.filter/1" [instance]: sees a whole message before any output does. */
#ifndef LSMTPD_FILTER_H
#define LSMTPD_FILTER_H

#include "annotations.h"
#include "edits.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_FILTER "lsmtpd.filter/1"

/* The arguments of a filter's call beside the message. */
typedef struct lsmtpd_filter_event {
  uint32_t size;
  uint32_t reserved;
  lsmtpd_edits* edits;             /* lsmtpd.edits/1, lsmtpd.header/1 */
  lsmtpd_annotations* annotations; /* lsmtpd.annotations/1 */
  uint64_t deadline_ms;            /* milliseconds until the host stops waiting; 0: it waits */
} lsmtpd_filter_event;

typedef struct lsmtpd_filter_1 {
  /* [loop] Answer with CONTINUE, ACCEPT, REJECT, TEMPFAIL or DISCARD, now or later. Several calls
   * may be open at once. */
  void (*message)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message,
                  const lsmtpd_filter_event* event);
  /* [loop] The host no longer waits for this call (deadline, client gone, shutdown): stop the work
   * and complete it soon, with any verdict. May be NULL. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
} lsmtpd_filter_1;

#ifdef __cplusplus
}
#endif
#endif
