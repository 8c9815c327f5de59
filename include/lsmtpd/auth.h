// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.auth/1" [instance]: checks the credentials of AUTH (RFC 4954). `auth_plugin` of a
 * listener names the instance.
 *
 * The host speaks SASL: it offers the mechanisms inside TLS only, decodes the responses, limits
 * guessing, and clears its copies of a password when the call is completed. Keep none of your own,
 * and write neither a password nor any part of one anywhere.
 */
#ifndef LSMTPD_AUTH_H
#define LSMTPD_AUTH_H

#include "message.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_AUTH "lsmtpd.auth/1"

#define LSMTPD_AUTH_PLAIN 1u    /* RFC 4616 */
#define LSMTPD_AUTH_LOGIN 2u    /* the same, in two responses */
#define LSMTPD_AUTH_EXTERNAL 4u /* RFC 4422 A: by the client's certificate, which was verified */

/* The credentials that a client gave. */
typedef struct lsmtpd_credentials {
  uint32_t size;
  uint32_t mechanism;              /* LSMTPD_AUTH_PLAIN, _LOGIN or _EXTERNAL */
  uint64_t session;                /* as session filters know it */
  lsmtpd_str authorization;        /* identity to act as; empty: the user's own */
  lsmtpd_str user;                 /* valid UTF-8 without control characters; empty for EXTERNAL */
  lsmtpd_str password;             /* any octets but NUL; empty for EXTERNAL */
  const lsmtpd_envelope* envelope; /* as at HELO; `tls` has the client's certificate */
  uint64_t deadline_ms;            /* milliseconds until the host stops waiting; 0: it waits */
} lsmtpd_credentials;

typedef struct lsmtpd_auth_1 {
  uint32_t mechanisms; /* LSMTPD_AUTH_..., or-ed */
  uint32_t reserved;   /* 0 */
  /* [loop] Answer with ACCEPT: the credentials are right, and `detail` of the verdict is the name
   * of the user, where it is not `user`; with REJECT: they are wrong (535 5.7.8), with the flag
   * LSMTPD_UNKNOWN_USER where there is no such user; or with TEMPFAIL: they cannot be checked now
   * (454 4.7.0). Now or later. An unknown user must take as long as a known one. Codes and texts of
   * the verdict are ignored. */
  void (*verify)(const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_credentials* credentials);
  /* [loop] The host no longer waits for this call: complete it soon, with any verdict. May be NULL.
   */
  void (*cancel)(const lsmtpd_lane* lane, lsmtpd_call call);
} lsmtpd_auth_1;

#ifdef __cplusplus
}
#endif
#endif
