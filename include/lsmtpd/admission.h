// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.admission/1" [instance]: whether a plugin takes messages, asked before a message is read.
 */
#ifndef LSMTPD_ADMISSION_H
#define LSMTPD_ADMISSION_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_ADMISSION "lsmtpd.admission/1"

typedef struct lsmtpd_admission {
  uint32_t size;
  uint32_t ready; /* 0: nothing can be taken now: MAIL gets 452 4.3.1 (an output: unless its
                     fallback is ready) */
  uint64_t max_message_size; /* largest content in bytes; 0: no limit. EHLO announces the smallest
                                of the chain */
  lsmtpd_str reason;         /* for the log, if ready is 0; lives until the next call */
} lsmtpd_admission;

typedef struct lsmtpd_admission_1 {
  /* [loop] Fills `out`, which comes with its size set, ready = 1 and everything else 0. Asked at
   * each EHLO and MAIL. */
  void (*get)(const lsmtpd_lane* lane, lsmtpd_admission* out);
} lsmtpd_admission_1;

#ifdef __cplusplus
}
#endif
#endif
