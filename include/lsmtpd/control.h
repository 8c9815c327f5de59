// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.control/1" [instance]: commands of an operator to a running instance. */
#ifndef LSMTPD_CONTROL_H
#define LSMTPD_CONTROL_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_CONTROL "lsmtpd.control/1"

typedef struct lsmtpd_control_1 {
  /* [loop] Ends the lane's pause after a failure (before it connects or asks again), and starts
   * over with the shortest pause. Called for each lane. */
  void (*retry_now)(const lsmtpd_lane* lane);
} lsmtpd_control_1;

#ifdef __cplusplus
}
#endif
#endif
