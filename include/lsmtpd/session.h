// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.session_filter/1" [instance]: a filter that judges a client before there is a message.
 *
 * A field of the envelope is known from this phase on; before it, it is empty or 0:
 *
 *   CONNECT  session, listener, peer_address, peer_port, local_address, local_port, proxy_address,
 *            peer_name; tls where the connection begins with TLS or a proxy ended it
 *   HELO     helo, protocol (after STARTTLS and AUTH again, with tls and auth)
 *   AUTH     auth (the credentials were right; the client has not been told yet)
 *   MAIL     id, time_ns, reverse_path, parameters; event->declared_size
 *   RCPT     recipients: those that were accepted, and the new one as the last
 *   DATA     recipients: all that were accepted
 */
#ifndef LSMTPD_SESSION_H
#define LSMTPD_SESSION_H

#include "annotations.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_SESSION_FILTER "lsmtpd.session_filter/1"

#define LSMTPD_PHASE_CONNECT 1u /* before the banner */
#define LSMTPD_PHASE_HELO 2u    /* HELO, EHLO, LHLO */
#define LSMTPD_PHASE_AUTH 4u    /* AUTH succeeded */
#define LSMTPD_PHASE_MAIL 8u
#define LSMTPD_PHASE_RCPT 16u /* for each recipient */
#define LSMTPD_PHASE_DATA 32u /* DATA, or the first BDAT, before 354 */

typedef struct lsmtpd_session_event {
  uint32_t size;
  uint32_t phase;                  /* LSMTPD_PHASE_... */
  uint64_t session;                /* the same for all events of one connection of this lane */
  uint64_t declared_size;          /* SIZE= of MAIL in bytes (RFC 1870); 0: not said */
  const lsmtpd_envelope* envelope; /* as far as it is known at this phase */
  lsmtpd_annotations* annotations; /* of the session: they stand in each of its messages */
  uint64_t deadline_ms;            /* milliseconds until the host stops waiting; 0: it waits */
} lsmtpd_session_event;

/* How a mail transaction (RFC 5321 3.3), from an accepted MAIL on, ended. */
#define LSMTPD_ENDED_ACCEPTED 1u /* 250 at its end */
#define LSMTPD_ENDED_REFUSED 2u  /* 4xx or 5xx at its end */
#define LSMTPD_ENDED_RESET 3u    /* RSET, a new HELO, STARTTLS, or the connection is gone */

/* Lives during the function. */
typedef struct lsmtpd_transaction_end {
  uint32_t size;
  uint32_t how; /* LSMTPD_ENDED_... */
  uint64_t session;
  lsmtpd_str id; /* of the envelope */
} lsmtpd_transaction_end;

typedef struct lsmtpd_session_filter_1 {
  uint32_t phases;   /* LSMTPD_PHASE_... wanted, or-ed */
  uint32_t reserved; /* 0 */
  /* [loop] Answer with CONTINUE, with ACCEPT (the session filters that are left are not asked at
   * this phase), with REJECT (554 at connect, 550 at RCPT, 554 elsewhere by default) or with
   * TEMPFAIL, now or later; any other verdict counts as TEMPFAIL. Replies 421 and 521 end the
   * connection. At CONNECT every refusal ends it, and a TEMPFAIL is sent as 421, whatever its code
   * (RFC 5321 4.3.2). Of one session one call is open at a time: pipelined RCPTs are asked one
   * after the other. */
  void (*decide)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_session_event* event);
  /* [loop] The host no longer waits for this call: the plugin's `deadline` passed, timeouts.drain
   * passed, or the connection broke (a reset; at CONNECT also an end). Stop the work and complete
   * the call soon, with any verdict. May be NULL.
   * The host does not read from a client that has already sent its next command. It notices that
   * such a client is gone only after the answer, and does not call cancel() then. */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
  /* [loop] A transaction of the session ended. May be NULL. */
  void (*ended)(const lsmtpd_lane* lane, const lsmtpd_transaction_end* end);
  /* [loop] The connection is gone: free the state of `session`. May be NULL. */
  void (*closed)(const lsmtpd_lane* lane, uint64_t session);
} lsmtpd_session_filter_1;

#ifdef __cplusplus
}
#endif
#endif
