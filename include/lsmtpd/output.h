// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.output/1" [instance]: stores a message durably or passes it on. */
#ifndef LSMTPD_OUTPUT_H
#define LSMTPD_OUTPUT_H

#include "annotations.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_OUTPUT "lsmtpd.output/1"

#define LSMTPD_DELIVERY_REPLAY 1u /* a replayed copy: no client waits, live mail goes first */
/* An earlier attempt was sent, or may have been, and its outcome is unknown: this copy may be a
 * second one. */
#define LSMTPD_DELIVERY_IN_DOUBT 2u

/* How one copy is delivered, and how it was stored: an output that offers LSMTPD_REPLAY stores
 * flags, target, reason and attempts with the copy and returns them with it. */
typedef struct lsmtpd_delivery {
  uint32_t size;
  uint32_t flags;       /* LSMTPD_DELIVERY_... */
  lsmtpd_str copy_id;   /* names this copy, the same at every resend: the envelope's id (a UUID);
                           where the chain has several outputs, "." and the name of the output's
                           instance follow, also when its fallback stores it. A name has up to 64 of
                           A-Z a-z 0-9 - _, so the copy_id is fit for a file's name */
  lsmtpd_str target;    /* a fallback stores it on behalf of this output; empty: for itself */
  lsmtpd_str reason;    /* the output's reason for the last failed attempt; empty: none failed */
  uint64_t deadline_ms; /* milliseconds until the host stops waiting; 0: it waits */
  uint32_t attempts;    /* earlier deliveries of this copy to an output, as far as known */
  uint32_t reserved;
  lsmtpd_annotations* annotations; /* lsmtpd.annotations/1; NULL in loaded() */
} lsmtpd_delivery;

typedef struct lsmtpd_output_1 {
  /* [loop] Answer with STORED once the message is durable, with REJECT when it never will be, with
   * TEMPFAIL otherwise; now or later; or with complete_recipients() (host.h). Many calls may be
   * open at once. The flag LSMTPD_IN_DOUBT says that the message was under way when the connection
   * was lost: one that is lost so three times, alone, while it is replayed becomes a dead letter.
   * Storing again under a copy_id that is stored replaces it. */
  void (*deliver)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message,
                  const lsmtpd_delivery* delivery);
  /* [loop] The host no longer waits for this call. Complete it when its outcome is known: after a
   * late STORED the fallback's copy is removed, after a late REJECT it becomes a dead letter. May
   * be NULL. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
} lsmtpd_output_1;

#ifdef __cplusplus
}
#endif
#endif
