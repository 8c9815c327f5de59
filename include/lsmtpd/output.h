// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.output/1" [instance]: puts a message where it is safe. */
#ifndef LSMTPD_OUTPUT_H
#define LSMTPD_OUTPUT_H

#include "message.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_OUTPUT "lsmtpd.output/1"

#define LSMTPD_DELIVERY_REPLAY 1u /* given back by a spool: nobody waits, live mail goes first */

/* Lives until the call completes. */
typedef struct lsmtpd_delivery {
  uint32_t size;
  uint32_t flags;       /* LSMTPD_DELIVERY_... */
  lsmtpd_str copy_id;   /* names this copy, the same at every resend: the UUID, with ".NAME" where
                           several outputs of the chain store the message */
  lsmtpd_str target;    /* a fallback stores it on behalf of this output; empty: for itself */
  uint64_t deadline_ms; /* milliseconds until the host stops waiting; 0: it waits */
} lsmtpd_delivery;

typedef struct lsmtpd_output_1 {
  /* [loop] Answer with STORED once the message is durable, with REJECT when it never will be, with
   * TEMPFAIL otherwise; now or later. Many calls may be open at once. TEMPFAIL with the enhanced
   * code 4.4.2 says that the message was under way when the connection was lost: one that is lost
   * so three times, alone, while it is replayed is buried. Storing again under a copy_id that is
   * stored replaces it. */
  void (*deliver)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message,
                  const lsmtpd_delivery* delivery);
  /* [loop] The host no longer waits for this call. Complete it when its outcome is known: a late
   * STORED still counts (the fallback's copy is forgotten), so does a late REJECT (it is buried).
   * May be NULL. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
} lsmtpd_output_1;

#ifdef __cplusplus
}
#endif
#endif
