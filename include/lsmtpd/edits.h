// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.edits/1" [host]: changing a message, from a filter. The handle comes with the filter's
 * call.
 *
 * Edits are all or nothing: they take effect when the call completes with CONTINUE or ACCEPT, and
 * do not show in the filter's own view of the message. All functions: [any, one thread at a time,
 * while the call is open]; 0 is success, -1: out of memory, not allowed, or the call is completed;
 * nothing has changed then.
 */
#ifndef LSMTPD_EDITS_H
#define LSMTPD_EDITS_H

#include "message.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_EDITS "lsmtpd.edits/1"

typedef struct lsmtpd_edits lsmtpd_edits; /* opaque */

typedef struct lsmtpd_edits_1 {
  /* Sets the reverse-path, without brackets; empty: the null sender. -1 also: it is no mailbox (RFC
   * 5321 4.1.2). */
  int32_t (*set_reverse_path)(lsmtpd_edits* edits, lsmtpd_str address);
  /* Adds a recipient behind all others. -1 also: the address is no mailbox (RFC 5321 4.1.2), or the
   * parameters have control characters. */
  int32_t (*add_recipient)(lsmtpd_edits* edits, lsmtpd_str address, lsmtpd_str parameters);
  /* Removes recipient number `index`, counted as in the envelope before any edit. -1 also: it is
   * removed already, or it is the last one that is left: DISCARD instead. */
  int32_t (*remove_recipient)(lsmtpd_edits* edits, uint64_t index);
  /* Puts whole header fields with their CRLF (RFC 5322 2.2) before all others; the first call's
   * fields stand nearest to the body. -1 also: they are no such fields, or the message would be
   * larger than limits.message_size, and than it was and 64 KiB. */
  int32_t (*prepend_header)(lsmtpd_edits* edits, lsmtpd_str fields);
  /* Replaces the content, with header and body: append as often as needed, then commit. Without the
   * commit it is dropped. It takes the place of edits of lsmtpd.header/1; prepended fields stand
   * before it. Where memory is short body_append() writes to a file, and may block: from the loop
   * it fails then, from the pool it does not. body_append() is -1 also beyond
   * limits.message_size. body_commit() is -1 where nothing was appended, and where there is a CR or
   * LF that is no part of a CRLF, unless the message came with BODY=BINARYMIME. */
  int32_t (*body_append)(lsmtpd_edits* edits, lsmtpd_str bytes);
  int32_t (*body_commit)(lsmtpd_edits* edits);
} lsmtpd_edits_1;

#ifdef __cplusplus
}
#endif
#endif
