// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.session_filter/1" [phase]: a filter that judges a client before there is a message. */
#ifndef LSMTPD_SESSION_H
#define LSMTPD_SESSION_H

#include "message.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_SESSION_FILTER "lsmtpd.session_filter/1"

#define LSMTPD_PHASE_CONNECT 1u /* before the banner */
#define LSMTPD_PHASE_HELO 2u    /* HELO, EHLO, LHLO: envelope->helo */
#define LSMTPD_PHASE_MAIL 4u    /* envelope->reverse_path, declared_size */
#define LSMTPD_PHASE_RCPT 8u    /* the last of envelope->recipients is the new one */

/* Lives until the call completes. */
typedef struct lsmtpd_session_event {
  uint32_t size;
  uint32_t phase;                  /* LSMTPD_PHASE_... */
  uint64_t session;                /* the same for all events of one connection of this lane */
  uint64_t declared_size;          /* SIZE= of MAIL in bytes (RFC 1870); 0: not said */
  const lsmtpd_envelope* envelope; /* as far as it is known at this phase */
} lsmtpd_session_event;

typedef struct lsmtpd_session_filter_1 {
  uint32_t phases;   /* LSMTPD_PHASE_... wanted, or-ed */
  uint32_t reserved; /* 0 */
  /* [loop] Answer with CONTINUE, REJECT (554 at connect, 550 at RCPT, 554 elsewhere by default) or
   * TEMPFAIL, now or later; replies 421 and 521 end the connection. */
  void (*decide)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_session_event* event);
  /* [loop] As in filter.h. May be NULL. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
  /* [loop] The connection is gone: forget what was kept for `session`. May be NULL. */
  void (*closed)(const lsmtpd_lane* lane, uint64_t session);
} lsmtpd_session_filter_1;

#ifdef __cplusplus
}
#endif
#endif
