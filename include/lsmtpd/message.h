// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.message/1" [host]: reading a message, and keeping it. Annotations are in annotations.h,
 * header fields in header.h, changes by a filter in edits.h.
 *
 * Each plugin gets a view of its own: no edits show in it, not even the plugin's, and its content
 * never changes. It lives as long as the arguments of its call (abi.h), and beyond that until it is
 * unpinned as often as it was pinned. Content is the bytes after dot-unstuffing, CRLF line ends,
 * exactly as they came.
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
  uint32_t number;       /* among all that the message was first delivered to, from 0: it stays the
                            same where only some of them are left for a resend */
  uint32_t reserved;
} lsmtpd_recipient;

/* The TLS session that the message came through (RFC 3207, 8314). */
typedef struct lsmtpd_tls {
  uint32_t size;
  uint32_t
      client_verified;    /* 1: the client's certificate was checked against the trusted issuers */
  lsmtpd_str version;     /* "TLSv1.3" */
  lsmtpd_str cipher;      /* "TLS_AES_256_GCM_SHA384" */
  lsmtpd_str server_name; /* requested by the client (SNI, RFC 6066 3); may be empty */
  lsmtpd_str client_subject; /* subject of the client's certificate; empty: it has none */
  lsmtpd_str client_sha256;  /* fingerprint of that certificate, 64 hexadecimal digits */
  lsmtpd_str by;             /* "proxy": ended by the trusted proxy in front; empty: by lsmtpd */
} lsmtpd_tls;

/* How the client authenticated (RFC 4954). */
typedef struct lsmtpd_auth {
  uint32_t size;
  uint32_t reserved;    /* 0 */
  lsmtpd_str user;      /* the authenticated user; never empty */
  lsmtpd_str mechanism; /* "PLAIN"; may be empty */
} lsmtpd_auth;

/* The envelope (RFC 5321 2.3.1), and the session it came in. Values are the client's, checked for
 * syntax only: escape them where you write them. A message from a spool has only the stored values:
 * no session number, no local and no proxy address. */
typedef struct lsmtpd_envelope {
  uint32_t size;
  uint32_t recipient_stride; /* bytes from one recipient to the next */
  lsmtpd_str id;             /* UUID */
  int64_t time_ns;           /* when MAIL was accepted: nanoseconds since the epoch, UTC */
  lsmtpd_str reverse_path;   /* without brackets; empty: the null sender */
  lsmtpd_str parameters;     /* ESMTP parameters of MAIL as given: "BODY=8BITMIME RET=HDRS" */
  const lsmtpd_recipient* recipients; /* read them with lsmtpd_recipient_at() */
  uint64_t recipient_count;
  uint64_t recipient_total; /* how many it was first delivered to; at least recipient_count */
  uint64_t session;         /* the number that session filters know it by; 0: not known */
  lsmtpd_str helo;          /* argument of HELO, EHLO or LHLO */
  lsmtpd_str protocol;      /* RFC 3848: "ESMTP", "ESMTPS", "LMTP", ... */
  lsmtpd_str listener;      /* [[listener]] name */
  lsmtpd_str peer_address;  /* "192.0.2.1" */
  lsmtpd_str
      peer_name; /* the peer's host name, as a trusted proxy gave it with XCLIENT; else empty */
  lsmtpd_str local_address; /* ours, that the peer connected to */
  lsmtpd_str proxy_address; /* of the trusted proxy in front, which named the peer; empty: none */
  uint32_t peer_port;
  uint32_t local_port;
  const lsmtpd_tls* tls;   /* NULL: clear text */
  const lsmtpd_auth* auth; /* NULL: not authenticated */
} lsmtpd_envelope;

/* [any] Recipient number `index`, which must be below recipient_count. */
static inline const lsmtpd_recipient* lsmtpd_recipient_at(const lsmtpd_envelope* envelope,
                                                          uint64_t index) {
  const char* first = (const char*)envelope->recipients;
  return (const lsmtpd_recipient*)(const void*)(first + index * envelope->recipient_stride);
}

/* [any] The user that the client authenticated as; empty: none. */
static inline lsmtpd_str lsmtpd_auth_user(const lsmtpd_envelope* envelope) {
  lsmtpd_str nobody;
  nobody.data = "";
  nobody.size = 0;
  return envelope->auth == 0 ? nobody : envelope->auth->user;
}

typedef struct lsmtpd_message_1 {
  /* [any] The envelope; lives as long as the view. */
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
} lsmtpd_message_1;

#ifdef __cplusplus
}
#endif
#endif
