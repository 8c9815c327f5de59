// SPDX-License-Identifier: Apache-2.0
/* lsmtpd plugin ABI: the types that all other headers use, and the one symbol that a plugin
 * exports.
 *
 * A plugin is a shared object with one exported symbol, `lsmtpd_entry`. Everything beyond it is an
 * extension: a table of functions found by its string id ("lsmtpd.filter/1"), offered by the plugin
 * to the host or by the host to the plugin. A published table never changes; an addition gets a new
 * id.
 *
 * Tags on functions say which thread may call them, and all of them return promptly:
 *   [main]  the thread that starts and stops the process; never while a loop calls the same object
 *   [loop]  the loop thread of the lane concerned
 *   [any]   any thread
 * Strings are pointer and length, UTF-8 unless said otherwise, not NUL-terminated. Memory belongs
 * to the side that made it, and each function states the lifetime of its results; nothing is freed
 * across the boundary. No C++ exception and no longjmp may cross it.
 *
 * Value structs begin with their size in bytes: a reader must not look beyond it, and a writer sets
 * it to sizeof. An array of structs comes with a stride, the bytes from one struct to the next: a
 * reader steps by it and looks at no more of one struct than the stride. Such structs, and only
 * they, grow at their end.
 *
 * The arguments of a call (messages, envelopes, events, strings) live until the call is completed
 * and the function that received them has returned, whichever is later.
 */
#ifndef LSMTPD_ABI_H
#define LSMTPD_ABI_H

#include <stdint.h>

/* A plugin of another major version is refused. Major version 0 is a draft that changes without
 * notice: a plugin of another minor version is refused then too. From 1 on, a new minor version
 * only adds extensions and is no reason to refuse. */
#define LSMTPD_ABI_MAJOR 0u
#define LSMTPD_ABI_MINOR 3u

#if defined(__cplusplus)
#define LSMTPD_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define LSMTPD_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lsmtpd_str {
  const char* data; /* may be NULL when size is 0 */
  uint64_t size;    /* bytes */
} lsmtpd_str;

/* A question of the host that waits for its answer: a slot and a generation, never a pointer. 0 is
 * never valid. A call is open from the moment the plugin gets it until the plugin completes it,
 * exactly once; completing a call that is not open is ignored and logged. A cancelled call is still
 * open.
 */
typedef uint64_t lsmtpd_call;

/* The answer to a call. The extensions say which kinds they take; an unknown kind, or one that does
 * not fit the call, counts as TEMPFAIL. */
#define LSMTPD_CONTINUE 1u /* filter: go on, with the edits that were made */
#define LSMTPD_STORED 2u   /* output: the message is durable; no other kind says so */
#define LSMTPD_REJECT 3u   /* refused for good: 5xx */
#define LSMTPD_TEMPFAIL 4u /* temporary failure: 4xx, or the fallback */
#define LSMTPD_DISCARD \
  5u /* filter: 250 for the client, the message goes nowhere, the log says so */
#define LSMTPD_ACCEPT \
  6u /* filter: go on, with the edits that were made, and ask none of the filters that are left */

/* Flags of a verdict; unknown ones are ignored. */
#define LSMTPD_IN_DOUBT                                                                           \
  1u /* output, with TEMPFAIL: the message was sent, and its outcome is unknown: it may be stored \
      */
#define LSMTPD_CAUSE_PASSES                                                                      \
  2u /* output, with IN_DOUBT: the cause passes by itself (a broker that is full or shuts down), \
        whatever the message is: it is not counted against the message */

#define LSMTPD_UNKNOWN_USER                                                                      \
  4u /* auth, with REJECT: there is no such user; the log does not show the name, which may be a \
        password that was typed in the wrong field */

typedef struct lsmtpd_verdict {
  uint32_t size;       /* sizeof(lsmtpd_verdict) */
  uint32_t kind;       /* LSMTPD_CONTINUE ... LSMTPD_ACCEPT */
  uint32_t code;       /* SMTP reply code, 0 = the default for the kind; 4xx for TEMPFAIL, 5xx for
                          REJECT, else ignored */
  uint32_t flags;      /* LSMTPD_IN_DOUBT, LSMTPD_CAUSE_PASSES, LSMTPD_UNKNOWN_USER or 0 */
  lsmtpd_str enhanced; /* RFC 3463 code, "5.7.1"; its class must match `code`, else it is ignored;
                          may be empty */
  lsmtpd_str text;     /* for the client: up to 8 lines, separated by LF or CRLF; in each line
                          control characters are replaced, and it is cut at 200 bytes */
  lsmtpd_str detail;   /* for the log only: the reason for the operator; for STORED the place of the
                          message */
} lsmtpd_verdict;

/* The type of the exported `lsmtpd_entry`. */
typedef struct lsmtpd_entry_1 {
  uint32_t abi_major; /* LSMTPD_ABI_MAJOR of the headers it was built with */
  uint32_t abi_minor;
  /* [main] Once after loading, before anything else. `path` is the file it was loaded from. 0 is
   * success. */
  int32_t (*init)(lsmtpd_str path);
  /* [main] Once at the end, after every instance was destroyed. The object is never unloaded. */
  void (*deinit)(void);
  /* [main] The factory with this id (LSMTPD_FACTORY), or NULL. Lives as long as the process. */
  const void* (*get_factory)(const char* id);
} lsmtpd_entry_1;

/* The one symbol a plugin exports; the plugin defines it:
 *     LSMTPD_EXPORT const lsmtpd_entry_1 lsmtpd_entry = {...}; */
__attribute__((visibility("default"))) extern const lsmtpd_entry_1 lsmtpd_entry;

#ifdef __cplusplus
}
#endif
#endif
