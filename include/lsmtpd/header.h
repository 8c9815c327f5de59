// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.header/1" [host]: the header fields of a message (RFC 5322 2.2), one by one.
 *
 * Fields are counted from 0, as the message came: an edit changes no number. Lines before the first
 * empty line that are no field ("Name: value") are fields without a name, so that nothing is
 * hidden.
 */
#ifndef LSMTPD_HEADER_H
#define LSMTPD_HEADER_H

#include "edits.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_HEADER "lsmtpd.header/1"

typedef struct lsmtpd_header_field {
  uint32_t size;
  uint32_t reserved;
  lsmtpd_str name;  /* without the colon; empty: the line is no field */
  lsmtpd_str value; /* without blanks at its beginning, and without the last line end; folded lines
                       as they came */
  lsmtpd_str whole; /* the field's bytes, its last line end included */
} lsmtpd_header_field;

typedef struct lsmtpd_header_1 {
  /* [any] How many fields there are. -1: the header is larger than 1 MiB, cannot be read, or there
   * is no memory for it. Blocks on the disk at the first call where the message was spilled (peek()
   * at 0 is empty): then call it from the pool. */
  int64_t (*count)(const lsmtpd_message* message);
  /* [any, after count()] Fills in field number `index`, which comes with its size set: 1, or 0 past
   * the last. Its strings live as long as the view. */
  uint32_t (*at)(const lsmtpd_message* message, uint64_t index, lsmtpd_header_field* field);
  /* [any, after count()] The number of the first field with this name, upper and lower case being
   * the same, from number `from` on; -1: there is none. */
  int64_t (*find)(const lsmtpd_message* message, lsmtpd_str name, uint64_t from);

  /* Edits: threads, effect and results as in edits.h; and -1 where count() was not called before.
   * `field` is one whole field with its CRLF. Where the content is replaced, these are dropped.
   *
   * Puts `field` before field number `index`; with the number of fields, behind the last. Of
   * several at one place the first call's stands first. */
  int32_t (*insert)(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
  /* Puts `field` in the place of field number `index`. The last change() or remove() counts. */
  int32_t (*change)(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field);
  int32_t (*remove)(lsmtpd_edits* edits, uint64_t index);
} lsmtpd_header_1;

#ifdef __cplusplus
}
#endif
#endif
