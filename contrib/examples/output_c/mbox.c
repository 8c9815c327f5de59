// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* The buffer to write, and the place in the message that is being quoted. */
typedef struct writer {
  int fd, failed;
  size_t used;
  char buffer[65536];
  int line_start; /* so far the line is only `quotes` times '>' and `matched` bytes of "From " */
  uint64_t quotes;
  size_t matched;
  int carriage_return; /* one is held back: CR LF becomes LF */
} writer;

static void flush(writer* out) {
  for (size_t done = 0; done < out->used && !out->failed;) {
    const ssize_t count = write(out->fd, out->buffer + done, out->used - done);
    if (count > 0) done += (size_t)count;
    if (count < 0 && errno != EINTR) out->failed = errno;
  }
  out->used = 0;
}

static void put(writer* out, char byte) {
  if (out->used == sizeof out->buffer) flush(out);
  out->buffer[out->used++] = byte;
}

static void put_all(writer* out, const char* bytes, uint64_t size) {
  for (uint64_t i = 0; i < size; ++i) put(out, bytes[i]);
}

static const char from[] = "From ";

/* The beginning of a line is not "From " after all, or it is and gets one more '>'. */
static void end_of_match(writer* out) {
  if (out->line_start && out->matched == sizeof from - 1) put(out, '>');
  for (; out->quotes != 0; --out->quotes) put(out, '>');
  put_all(out, from, out->line_start ? out->matched : 0);
  out->line_start = 0;
  out->matched = 0;
}

static void put_content(writer* out, char byte) {
  if (out->line_start) {
    if (byte == '>' && out->matched == 0) {
      ++out->quotes;
      return;
    }
    if (byte == from[out->matched]) {
      if (++out->matched == sizeof from - 1) end_of_match(out);
      return;
    }
    end_of_match(out);
  }
  put(out, byte);
  out->line_start = byte == '\n';
}

static void put_piece(writer* out, const char* bytes, uint64_t size) {
  for (uint64_t i = 0; i < size; ++i) {
    if (out->carriage_return && bytes[i] != '\n') put_content(out, '\r');
    out->carriage_return = bytes[i] == '\r';
    if (!out->carriage_return) put_content(out, bytes[i]);
  }
}

/* "From a@example.org Sun Nov 22 03:18:24 2026" */
static void put_from_line(writer* out, const lsmtpd_envelope* envelope) {
  const time_t seconds = (time_t)(envelope->time_ns / 1000000000);
  struct tm utc;
  char date[64];
  put_all(out, from, sizeof from - 1);
  if (envelope->reverse_path.size == 0) put_all(out, "MAILER-DAEMON", 13);
  for (uint64_t i = 0; i < envelope->reverse_path.size; ++i) {
    const char byte = envelope->reverse_path.data[i];
    put(out, byte <= ' ' || byte == 127 ? '_' : byte); /* it is the client's */
  }
  if (gmtime_r(&seconds, &utc) != NULL && asctime_r(&utc, date) != NULL) {
    put(out, ' ');
    put_all(out, date, strlen(date)); /* with its newline */
  } else {
    put(out, '\n');
  }
}

/* Reads whichever way the message lies: in memory, or in a file, which may block. -1: an I/O error.
 */
static int put_message(writer* out, const lsmtpd_message_1* messages,
                       const lsmtpd_message* message) {
  const uint64_t size = messages->size(message);
  char buffer[16384];
  for (uint64_t offset = 0; offset < size;) {
    lsmtpd_str piece = messages->peek(message, offset);
    if (piece.size == 0) {
      const int64_t count = messages->read(message, offset, buffer, sizeof buffer);
      if (count <= 0) return -1;
      piece.data = buffer;
      piece.size = (uint64_t)count;
    }
    put_piece(out, piece.data, piece.size);
    offset += piece.size;
  }
  if (out->carriage_return) put_content(out, '\r');
  end_of_match(out);
  return 0;
}

/* Back to what is durable. */
static void take_back(mbox* box, int64_t size) {
  if (ftruncate(box->fd, size) != 0) mbox_close(box);
}

const char* mbox_append(mbox* box, const lsmtpd_message_1* messages,
                        const lsmtpd_message* message) {
  writer* out = calloc(1, sizeof *out);
  if (out == NULL) return "out of memory";
  const int64_t before = lseek(box->fd, 0, SEEK_END);
  out->fd = box->fd;
  put_from_line(out, messages->envelope(message));
  out->line_start = 1;
  const int unread = put_message(out, messages, message);
  put_all(out, "\n\n",
          2); /* content that lacks its last line end gets one; the second is mbox's empty line */
  flush(out);
  const int error = out->failed;
  free(out);
  if (!unread && !error) return NULL;
  take_back(box, before);
  return unread ? "cannot read the message" : strerror(error);
}

const char* mbox_commit(mbox* box) {
  if (box->fd < 0) return "the file is closed";
  if (fdatasync(box->fd) == 0) {
    box->size = lseek(box->fd, 0, SEEK_END);
    return NULL;
  }
  /* The kernel may have dropped the pages that it could not write: never ask the same descriptor
   * again. */
  const char* why = strerror(errno);
  take_back(box, box->size);
  mbox_close(box);
  return why;
}

/* A file that was just made is only durable with its directory entry. */
static int sync_directory(const char* path) {
  char* copy = strdup(path);
  if (copy == NULL) return -1;
  const int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(copy);
  if (directory < 0) return -1;
  const int result = fsync(directory);
  close(directory);
  return result;
}

const char* mbox_open(mbox* box) {
  box->fd = open(box->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (box->fd < 0) return strerror(errno);
  if (flock(box->fd, LOCK_EX | LOCK_NB) == 0 && fsync(box->fd) == 0 &&
      sync_directory(box->path) == 0) {
    box->size = lseek(box->fd, 0, SEEK_END);
    return NULL;
  }
  const char* why = errno == EWOULDBLOCK ? "another process has it" : strerror(errno);
  mbox_close(box);
  return why;
}

void mbox_close(mbox* box) {
  if (box->fd >= 0) close(box->fd);
  box->fd = -1;
}
