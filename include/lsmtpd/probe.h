// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.probe/1" [instance]: tries a connection step by step, for `lsmtpd check --live`. */
#ifndef LSMTPD_PROBE_H
#define LSMTPD_PROBE_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_PROBE "lsmtpd.probe/1"

/* Takes the steps of a probe; lives until the call completes. [loop] */
typedef struct lsmtpd_probe_report lsmtpd_probe_report;
struct lsmtpd_probe_report {
  void* self; /* the host's own */
  /* `step`: "resolve", "connect", "tls", "sasl", "open", "attach", ... `exit_status`: what `check
   * --live` ends with when this step failed (10 to 99, one for each step); 0 where it succeeded.
   * `text`: the finding, or the reason of the failure. */
  void (*step)(const lsmtpd_probe_report* report, lsmtpd_str step, uint32_t exit_status,
               lsmtpd_str text);
};

typedef struct lsmtpd_probe_1 {
  /* [loop] Called on a lane that gets no other calls. CONTINUE when all went well, else TEMPFAIL.
   */
  void (*probe)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_probe_report* report);
} lsmtpd_probe_1;

#ifdef __cplusplus
}
#endif
#endif
