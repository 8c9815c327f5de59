// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.message/1" [host]: reading a message, and changing it from a filter.
 *
 * A message handed to a plugin is a view of its own: nobody else's edits show in it, and its
 * content never changes under the reader. It lives until the call it came with is completed, and
 * beyond that until it is unpinned as often as it was pinned. Content is the bytes after
 * dot-unstuffing, CRLF line ends, exactly as they came.
 */
#ifndef LSMTPD_MESSAGE_H
#define LSMTPD_MESSAGE_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_MESSAGE "lsmtpd.message/1"

typedef struct lsmtpd_message lsmtpd_message; /* opaque */

typedef struct lsmtpd_recipient {
  lsmtpd_str address;    /* forward-path without brackets */
  lsmtpd_str parameters; /* ESMTP parameters as given: "NOTIFY=NEVER"; may be empty */
} lsmtpd_recipient;

/* The envelope (RFC 5321 2.3.1). Values are the client's: checked for syntax, escape them where you
 * write them. */
typedef struct lsmtpd_envelope {
  uint32_t size;
  uint32_t peer_port;
  lsmtpd_str id;           /* UUID */
  int64_t time_ns;         /* when MAIL was accepted: nanoseconds since the epoch, UTC */
  lsmtpd_str reverse_path; /* without brackets; empty: the null sender */
  lsmtpd_str parameters;   /* ESMTP parameters of MAIL as given: "BODY=8BITMIME RET=HDRS" */
  const lsmtpd_recipient* recipients;
  uint64_t recipient_count;
  lsmtpd_str helo;         /* argument of HELO, EHLO or LHLO */
  lsmtpd_str protocol;     /* RFC 3848: "ESMTP", "ESMTPS", "LMTP", ... */
  lsmtpd_str listener;     /* [[listener]] name */
  lsmtpd_str peer_address; /* "192.0.2.1" */
  lsmtpd_str tls;          /* protocol and cipher; empty: clear text, as all is so far */
  lsmtpd_str auth_user;    /* empty: not authenticated, as all are so far */
} lsmtpd_envelope;

typedef struct lsmtpd_message_1 {
  /* [any] The envelope; lives as long as the view. Edits made through the view do not show in it.
   */
  const lsmtpd_envelope* (*envelope)(const lsmtpd_message* message);
  /* [any] Bytes of content. */
  uint64_t (*size)(const lsmtpd_message* message);
  /* [any] The longest piece of content at `offset` that lies in memory; lives as long as the view.
   * Empty at the end, and for a message that was spilled to a file: use read() then. */
  lsmtpd_str (*peek)(const lsmtpd_message* message, uint64_t offset);
  /* [any] Copies up to `size` bytes at `offset`: how many, 0 at the end, -1 on an I/O error. Blocks
   * on the disk where the message was spilled (peek() at 0 is empty): then call it from the pool,
   * not on the loop. */
  int64_t (*read)(const lsmtpd_message* message, uint64_t offset, void* buffer, uint64_t size);
  /* [any] Keeps the view alive beyond its call. */
  void (*pin)(const lsmtpd_message* message);
  void (*unpin)(const lsmtpd_message* message);

  /* Annotations: text by key that later filters see and outputs carry along. Keys are the plugin's:
   * "NAME.key". annotation(): [any] empty where there is none. annotation_at(): [any] 1 and the
   * pair, or 0 past the last. */
  lsmtpd_str (*annotation)(const lsmtpd_message* message, lsmtpd_str key);
  uint32_t (*annotation_at)(const lsmtpd_message* message, uint32_t index, lsmtpd_str* key,
                            lsmtpd_str* value);
  /* [any, one thread at a time, while the call is open] From a filter: takes effect with CONTINUE
   * only. From an output that answers TEMPFAIL: goes along to its fallback and comes back on
   * replay. An empty value removes. 0 is success, -1: out of memory or not allowed here. */
  int32_t (*annotate)(const lsmtpd_message* message, lsmtpd_str key, lsmtpd_str value);

  /* Edits of a filter, all or nothing: they take effect when the call completes with CONTINUE.
   * [any, one thread at a time, while the call is open] 0 is success, -1: out of memory or not
   * allowed here. Recipients are counted as in envelope(), before any edit. The last recipient
   * cannot be removed: DISCARD instead. -1 also: the address is empty or has control characters. */
  int32_t (*add_recipient)(const lsmtpd_message* message, lsmtpd_str address,
                           lsmtpd_str parameters);
  int32_t (*remove_recipient)(const lsmtpd_message* message, uint64_t index);
  /* Whole header fields with their CRLF (RFC 5322 2.2), put before all others; the first call's
   * fields stand nearest to the body. -1 also: they are no such fields. */
  int32_t (*prepend_header)(const lsmtpd_message* message, lsmtpd_str fields);
  /* Replaces the content: append as often as needed, then commit. What was not committed is
   * dropped. Where memory is short append() writes to a file, and may block: from the loop it fails
   * then, from the pool it does not. */
  int32_t (*body_append)(const lsmtpd_message* message, lsmtpd_str bytes);
  int32_t (*body_commit)(const lsmtpd_message* message);
} lsmtpd_message_1;

#ifdef __cplusplus
}
#endif
#endif
