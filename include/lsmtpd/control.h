/* "lsmtpd.control/1" [instance]: orders that an operator gives to a running instance. */
#ifndef LSMTPD_CONTROL_H
#define LSMTPD_CONTROL_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_CONTROL "lsmtpd.control/1"

typedef struct lsmtpd_control_1 {
  /* [loop] Ends whatever pause the lane makes after a failure (before it connects again, or asks
   * again), and starts over with the shortest one. Each lane is told. */
  void (*retry_now)(const lsmtpd_lane* lane);
} lsmtpd_control_1;

#ifdef __cplusplus
}
#endif
#endif
