// SPDX-License-Identifier: Apache-2.0
/* output_c: appends messages to an mbox file. An example of an output in plain C11, on nothing but
 * lsmtpd's headers.
 *
 * Durable: a message is answered with STORED only after fdatasync. Fast enough all the same: what
 * comes in while the disk is busy is written by the next commit, with one fdatasync for all of it.
 * The loop never waits for the disk: commits run on the pool. An instance has the file; each
 * worker's lane gathers its own batches, and a mutex lets one of them commit at a time.
 */
#define _POSIX_C_SOURCE 200809L
#include <lsmtpd/lsmtpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mbox.h"

typedef struct instance {
  lsmtpd_instance raw;
  const lsmtpd_host* host;
  pthread_mutex_t mutex; /* guards box */
  mbox box;
} instance;

/* One message that waits to be stored. */
typedef struct item {
  struct item* next;
  lsmtpd_call call;
  const lsmtpd_message* message; /* lives as long as the call is open */
  const char* error;
} item;

typedef struct lane {
  lsmtpd_lane raw;
  const lsmtpd_host* host;
  const lsmtpd_message_1* messages;
  const lsmtpd_loop_1* loop;
  instance* owner;
  item *waiting, **last; /* in the order they came */
  item* committing;      /* while the pool works on it only the pool touches it */
  int closing;
} lane;

static lsmtpd_str str(const char* text) {
  lsmtpd_str result = {text, strlen(text)};
  return result;
}

static void answer(const lane* self, lsmtpd_call call, const char* error) {
  lsmtpd_verdict verdict;
  memset(&verdict, 0, sizeof verdict);
  verdict.size = sizeof verdict;
  verdict.kind = error == NULL ? LSMTPD_STORED : LSMTPD_TEMPFAIL;
  verdict.detail = str(error == NULL ? self->owner->box.path : error);
  self->host->complete(self->host, call, &verdict);
}

/* ---- storing ---- */

/* [pool] Writes a whole batch and makes it durable. */
static void commit(void* data) {
  lane* self = data;
  instance* owner = self->owner;
  const char* error = NULL;
  pthread_mutex_lock(&owner->mutex);
  if (owner->box.fd < 0) error = mbox_open(&owner->box);
  for (item* one = self->committing; one != NULL; one = one->next) {
    one->error = error;
    if (error == NULL)
      one->error = owner->box.fd < 0 ? "the file is closed"
                                     : mbox_append(&owner->box, self->messages, one->message);
  }
  if (error == NULL) error = mbox_commit(&owner->box);
  for (item* one = self->committing; one != NULL && error != NULL; one = one->next)
    one->error = error;
  pthread_mutex_unlock(&owner->mutex);
}

static void start_commit(lane* self);

static void finish_close(lane* self) {
  const lsmtpd_host* host = self->host;
  free(self);
  host->lane_closed(host);
}

/* [loop] Answers the batch; what came meanwhile is the next one. */
static void committed(void* data) {
  lane* self = data;
  item* one = self->committing;
  self->committing = NULL;
  while (one != NULL) {
    item* next = one->next;
    answer(self, one->call, one->error);
    free(one);
    one = next;
  }
  if (self->waiting != NULL) {
    start_commit(self);
  } else if (self->closing) {
    finish_close(self);
  }
}

static void start_commit(lane* self) {
  self->committing = self->waiting;
  self->waiting = NULL;
  self->last = &self->waiting;
  if (self->loop->offload(self->host, commit, committed, self) == 0) return;
  for (item* one = self->committing; one != NULL; one = one->next)
    one->error = "no thread to write with";
  committed(self); /* nothing waits, so this ends here */
}

static void deliver(const lsmtpd_lane* raw, lsmtpd_call call, const lsmtpd_message* message,
                    const lsmtpd_delivery* delivery) {
  lane* self = raw->self;
  item* one = calloc(1, sizeof *one);
  (void)delivery; /* an mbox cannot replace what it has: a resend appears twice, with the same id */
  if (one == NULL) {
    answer(self, call, "out of memory");
    return;
  }
  one->call = call;
  one->message = message;
  *self->last = one;
  self->last = &one->next;
  if (self->committing == NULL) start_commit(self);
}

/* Writing cannot be stopped half-way: a late STORED still counts, so there is nothing to do in
 * cancel(). */
static const lsmtpd_output_1 output = {deliver, NULL};

/* ---- lane ---- */

static void close_lane(const lsmtpd_lane* raw, uint64_t deadline_ms) {
  lane* self = raw->self;
  (void)deadline_ms; /* a commit cannot be hurried */
  self->closing = 1;
  if (self->committing == NULL) finish_close(self);
}

static const lsmtpd_lane* open_lane(const lsmtpd_instance* raw, const lsmtpd_host* host) {
  lane* self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->raw.self = self;
  self->raw.close = close_lane;
  self->host = host;
  self->messages = host->get_extension(host, LSMTPD_MESSAGE);
  self->loop = host->get_extension(host, LSMTPD_LOOP);
  self->owner = raw->self;
  self->last = &self->waiting;
  if (self->messages != NULL && self->loop != NULL) return &self->raw;
  free(self);
  return NULL;
}

/* ---- instance ---- */

static int32_t start(const lsmtpd_instance* raw, const lsmtpd_report* report) {
  instance* self = raw->self;
  const char* error = mbox_open(&self->box);
  if (error == NULL) return 0;
  report->error(report, str("path"), str(error));
  return -1;
}

static void stop(const lsmtpd_instance* raw) {
  mbox_close(&((instance*)raw->self)->box);
}

static void destroy(const lsmtpd_instance* raw) {
  instance* self = raw->self;
  pthread_mutex_destroy(&self->mutex);
  free(self->box.path);
  free(self);
}

static const void* instance_extension(const lsmtpd_instance* raw, const char* id) {
  (void)raw;
  return strcmp(id, LSMTPD_OUTPUT) == 0 ? &output : NULL;
}

/* ---- factory ---- */

static const lsmtpd_instance* create(const lsmtpd_host* host, const lsmtpd_config* config) {
  instance* self = calloc(1, sizeof *self);
  const lsmtpd_str path = config->string(config, "path");
  if (self == NULL) return NULL;
  const lsmtpd_instance raw = {self, start, stop, destroy, instance_extension, open_lane};
  self->raw = raw;
  self->host = host;
  self->box.fd = -1;
  self->box.path = strndup(path.data, path.size);
  pthread_mutex_init(&self->mutex, NULL);
  return &self->raw;
}

static const void* factory_extension(const char* id) {
  static const lsmtpd_option rows[] = {
      {"path", LSMTPD_TYPE_PATH, 1, NULL, 0, 0, NULL, "the mbox file; it is made with mode 0600",
       NULL, 0, 0},
  };
  static const lsmtpd_options_1 options = {rows, 1, sizeof rows[0], NULL};
  return strcmp(id, LSMTPD_OPTIONS) == 0 ? &options : NULL;
}

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }
static const lsmtpd_descriptor descriptor = {
    sizeof(lsmtpd_descriptor), LSMTPD_EXCLUSIVE,
    TEXT("output_c"),          TEXT("1.0.0"),
    TEXT("lsmtpd's examples"), TEXT("appends messages to an mbox file")};
static const lsmtpd_factory_1 factory = {&descriptor, factory_extension, create};

static int32_t init(lsmtpd_str path) {
  (void)path;
  return 0;
}
static void deinit(void) {}
static const void* get_factory(const char* id) {
  return strcmp(id, LSMTPD_FACTORY) == 0 ? &factory : NULL;
}

LSMTPD_EXPORT const lsmtpd_entry_1 lsmtpd_entry = {LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR, init, deinit,
                                                   get_factory};
