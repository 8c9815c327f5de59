// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.annotations/1" [host]: text by key that belongs to a message: later filters read it, and
 * outputs pass it on. Keys are the plugin's: "NAME.key", NAME best being that of its instance
 * ([plugin.NAME]), so that two instances of one plugin do not overwrite each other's. The host does
 * not check keys. Values may hold any byte: outputs escape both.
 *
 * Reading goes through the message. Setting goes through a handle that comes with a call of a
 * filter, an output or a session filter, and ends with it.
 */
#ifndef LSMTPD_ANNOTATIONS_H
#define LSMTPD_ANNOTATIONS_H

#include "message.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_ANNOTATIONS "lsmtpd.annotations/1"

typedef struct lsmtpd_annotations lsmtpd_annotations; /* opaque */

typedef struct lsmtpd_annotations_1 {
  /* [any] The text with this key as the message came; empty where there is none. Lives as long as
   * the view. */
  lsmtpd_str (*get)(const lsmtpd_message* message, lsmtpd_str key);
  /* [any] 1 and pair number `index` as the message came, or 0 past the last. Pairs are in the order
   * of their keys' bytes. */
  uint32_t (*at)(const lsmtpd_message* message, uint32_t index, lsmtpd_str* key, lsmtpd_str* value);
  /* [any, one thread at a time, while the call is open] Sets the text of a key; an empty value
   * removes it. 0 is success; -1: out of memory, or the call is completed.
   * From a filter: takes effect with CONTINUE and ACCEPT only. From an output: takes effect with
   * TEMPFAIL: goes along to its fallback and comes back at replay. From a session filter: takes
   * effect with CONTINUE and ACCEPT, and stands in every message of that session that is accepted
   * after it.
   */
  int32_t (*set)(lsmtpd_annotations* annotations, lsmtpd_str key, lsmtpd_str value);
  /* [any, as set()] The current text: set through this handle or, for a session filter, by another
   * one earlier in the session. Empty where there is none. Lives until the next set(). */
  lsmtpd_str (*find)(const lsmtpd_annotations* annotations, lsmtpd_str key);
} lsmtpd_annotations_1;

#ifdef __cplusplus
}
#endif
#endif
