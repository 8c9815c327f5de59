// SPDX-License-Identifier: Apache-2.0
/* An mbox file (mboxrd, RFC 4155) that messages are appended to, whole or not at all. Called on
 * threads of the pool, one at a time: the caller locks.
 */
#ifndef MBOX_H
#define MBOX_H

#include <lsmtpd/message.h>
#include <stdint.h>

typedef struct mbox {
  char* path;
  int fd;       /* -1: not open */
  int64_t size; /* of the file, up to where everything is durable */
} mbox;

/* Opens and locks the file, and makes the directory entry durable. NULL, or why not. */
const char* mbox_open(mbox* box);
void mbox_close(mbox* box);

/* Appends without making durable. NULL, or why not; then nothing of it is left in the file. */
const char* mbox_append(mbox* box, const lsmtpd_message_1* messages, const lsmtpd_message* message);

/* Makes all that was appended durable, or takes it all back. NULL, or why not. */
const char* mbox_commit(mbox* box);

#endif
