// SPDX-License-Identifier: Apache-2.0
/* Fake host: functions for tests to start and end a plugin. All of it on the thread that called
 * lsmtpd_test_new(). */
#ifndef LSMTPD_TESTING_RUN_H
#define LSMTPD_TESTING_RUN_H

#include "ask.h"
#include "config.h"

#include <dlfcn.h>
#include <fcntl.h>

static inline lsmtpd_test* lsmtpd_test_new(void) {
  lsmtpd_test* t = (lsmtpd_test*)lsmtpd_t_alloc(sizeof *t);
  pthread_mutex_init(&t->mutex, NULL);
  t->loop_thread = pthread_self();
  t->now_ms = 1000000;
  t->name = "test";
  t->hostname = "mx.example.org";
  t->workers = 1;
  t->log_level = LSMTPD_LOG_DEBUG;
  t->deadline_ms = 5000;
  t->memory_limit = -1;
  lsmtpd_test_text* const texts[] = {&t->failures, &t->errors,   &t->warnings,
                                     &t->log,      &t->terminal, &t->steps};
  for (int i = 0; i < 6; ++i) lsmtpd_t_append(texts[i], "", 0);
  if (pipe(t->wake) != 0) abort();
  for (int i = 0; i < 2; ++i) {
    fcntl(t->wake[i], F_SETFL, O_NONBLOCK);
    fcntl(t->wake[i], F_SETFD, FD_CLOEXEC);
  }
  return t;
}

/* The plugin: linked in, or opened (0 is success, else lsmtpd_test_errors() says why not). */
static inline void lsmtpd_test_use(lsmtpd_test* t, const lsmtpd_entry_1* entry) {
  t->entry = entry;
}
static inline int lsmtpd_test_load(lsmtpd_test* t, const char* path) {
  t->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (t->object != NULL) t->entry = (const lsmtpd_entry_1*)dlsym(t->object, "lsmtpd_entry");
  if (t->entry != NULL) return 0;
  lsmtpd_t_line(&t->errors, "%s", dlerror());
  return -1;
}

/* An option as it would be written in the file, without quotes. LIST: once for each item; MAP: once
 * for each "key=value"; TABLES: "KEY[0].COLUMN" for each value of the first table, and so on. */
static inline void lsmtpd_test_option(lsmtpd_test* t, const char* key, const char* value) {
  lsmtpd_t_add_pair(&t->given, lsmtpd_test_str(key), lsmtpd_test_str(value));
}

/* Lines of text that came together so far; "" where there are none. They live until
 * lsmtpd_test_free(), but move. */
static inline const char* lsmtpd_test_failures(const lsmtpd_test* t) {
  return t->failures.data;
}
static inline const char* lsmtpd_test_errors(const lsmtpd_test* t) {
  return t->errors.data;
} /* options, start() */
static inline const char* lsmtpd_test_warnings(const lsmtpd_test* t) {
  return t->warnings.data;
} /* likewise */
static inline const char* lsmtpd_test_log(const lsmtpd_test* t) {
  return t->log.data;
}
/* 1: the log has this text, else 0. As opposed to lsmtpd_test_log() it may be asked while the
 * plugin's threads log. */
static inline int lsmtpd_test_has_logged(lsmtpd_test* t, const char* text) {
  lsmtpd_t_lock(t);
  const int found = strstr(t->log.data, text) != NULL;
  lsmtpd_t_unlock(t);
  return found;
}
static inline const char* lsmtpd_test_terminal(const lsmtpd_test* t) {
  return t->terminal.data;
} /* of commands */
static inline const char* lsmtpd_test_steps(const lsmtpd_test* t) {
  return t->steps.data;
} /* of probes */

static inline void lsmtpd_test_memory_limit(lsmtpd_test* t, int64_t bytes) {
  t->memory_limit = bytes;
}

/* Loads the factory and checks the options; nothing is created. 0: lsmtpd_test_errors() is empty.
 */
static inline int lsmtpd_test_validate_options(lsmtpd_test* t) {
  if (!t->loaded) {
    if (t->entry->abi_major != LSMTPD_ABI_MAJOR ||
        (LSMTPD_ABI_MAJOR == 0 && t->entry->abi_minor != LSMTPD_ABI_MINOR))
      lsmtpd_t_line(&t->errors, "the plugin has ABI %u.%u, this host %u.%u", t->entry->abi_major,
                    t->entry->abi_minor, LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR);
    else if (t->entry->init(lsmtpd_test_str("plugin.so")) != 0)
      lsmtpd_t_line(&t->errors, "init() failed");
    else
      t->loaded = 1;
    if (!t->loaded) return -1;
    t->factory = (const lsmtpd_factory_1*)t->entry->get_factory(LSMTPD_FACTORY);
    if (t->entry->get_factory("no.such.factory/1") != NULL)
      lsmtpd_t_fail(t, "factory: answers to any id");
  }
  if (t->factory == NULL) {
    lsmtpd_t_line(&t->errors, "the plugin has no factory");
    return -1;
  }
  t->options = (const lsmtpd_options_1*)t->factory->get_extension(LSMTPD_OPTIONS);
  return lsmtpd_t_check_config(t);
}

/* Opens one more lane, which asking functions use from now on. 0 is success. */
static inline int lsmtpd_test_open_lane(lsmtpd_test* t) {
  lsmtpd_t_host* host = lsmtpd_t_new_host(t, 1);
  host->lane = t->instance->open_lane(t->instance, &host->raw);
  if (host->lane == NULL) {
    host->closed = 1;
    lsmtpd_t_line(&t->errors, "open_lane() failed");
    return -1;
  }
  t->lane = host;
  return 0;
}
/* Sets the lane that asking functions use: number 0 was opened first. */
static inline void lsmtpd_test_use_lane(lsmtpd_test* t, uint32_t number) {
  for (lsmtpd_t_host* host = t->hosts; host != NULL; host = host->next)
    if (host->is_lane && host->raw.worker == number) t->lane = host;
}

/* Checks the options, creates and starts the instance, opens a lane. 0 is success, else see
 * lsmtpd_test_errors(). */
static inline int lsmtpd_test_start(lsmtpd_test* t) {
  if (lsmtpd_test_validate_options(t) != 0) return -1;
  lsmtpd_t_host* host = lsmtpd_t_new_host(t, 0);
  t->instance = t->factory->create(&host->raw, &t->config);
  if (t->instance == NULL) {
    lsmtpd_t_line(&t->errors, "create() failed");
    return -1;
  }
  if (t->instance->start(t->instance, &t->report) != 0) {
    if (t->errors.size == 0) lsmtpd_t_line(&t->errors, "start() failed and did not say why");
    return -1;
  }
  t->started = 1;
  return lsmtpd_test_open_lane(t);
}

/* lsmtpd.command/1: returns its exit status; -1 where the options are wrong. lsmtpd_test_terminal()
 * has its output. */
static inline void lsmtpd_t_print(const lsmtpd_terminal* terminal, lsmtpd_str text) {
  lsmtpd_t_append(&((lsmtpd_test*)terminal->self)->terminal, text.data, (size_t)text.size);
}
static inline int32_t lsmtpd_test_command(lsmtpd_test* t, const char* const* arguments,
                                          uint32_t count) {
  if (t->config.self == NULL && lsmtpd_test_validate_options(t) != 0) return -1;
  const lsmtpd_command_1* table =
      (const lsmtpd_command_1*)t->factory->get_extension(LSMTPD_COMMAND);
  lsmtpd_terminal terminal = {t, lsmtpd_t_print, lsmtpd_t_print};
  lsmtpd_str* list = (lsmtpd_str*)lsmtpd_t_alloc(count * sizeof *list);
  for (uint32_t i = 0; i < count; ++i) list[i] = lsmtpd_test_str(arguments[i]);
  const int32_t status = table->run(&t->config, list, count, &terminal);
  free(list);
  return status;
}

/* ---- the end ---- */

static inline int lsmtpd_t_is_closed(void* host) {
  return ((lsmtpd_t_host*)host)->closed;
}

/* Closes the lane in use, and waits until it is closed. Time runs meanwhile. */
static inline void lsmtpd_test_close_lane(lsmtpd_test* t) {
  lsmtpd_t_host* host = t->lane;
  if (host == NULL || host->closed) return;
  t->real_base_ms = lsmtpd_t_clock_ms();
  t->in_close = 1;
  host->lane->close(host->lane, (uint64_t)t->deadline_ms);
  if (!lsmtpd_test_wait_for(t, lsmtpd_t_is_closed, host))
    lsmtpd_t_fail(t, "lane: lane_closed() never came");
  t->in_close = 0;
}

/* Ends everything in the right order and checks for leftovers. Returns the failures: "" or a
 * line each. */
static inline const char* lsmtpd_test_finish(lsmtpd_test* t) {
  if (t->offload == LSMTPD_TEST_OFFLOAD_HELD) t->offload = LSMTPD_TEST_OFFLOAD_TURN;
  for (lsmtpd_t_host* host = t->hosts; host != NULL; host = host->next)
    if (host->is_lane && !host->closed) {
      t->lane = host;
      lsmtpd_test_close_lane(t);
    }
  if (t->instance != NULL && t->started) t->instance->stop(t->instance);
  if (t->instance != NULL) t->instance->destroy(t->instance);
  if (t->loaded) t->entry->deinit();
  t->instance = NULL;
  t->loaded = t->started = 0;
  lsmtpd_t_lock(t);
  for (const lsmtpd_test_mail* mail = t->mails; mail != NULL; mail = mail->next)
    if (mail->references != 0)
      lsmtpd_t_fail(t, "message %.*s: %lld pins left", (int)mail->envelope.id.size,
                    mail->envelope.id.data, (long long)mail->references);
  if (t->memory_used != 0) lsmtpd_t_fail(t, "memory: %lld bytes left", (long long)t->memory_used);
  lsmtpd_t_unlock(t);
  return t->failures.data;
}

static inline void lsmtpd_t_free_call(lsmtpd_t_call* call) {
  lsmtpd_test_text* const texts[] = {&call->words[0],   &call->words[1],      &call->words[2],
                                     &call->copy_ids,   &call->target,        &call->reason,
                                     &call->for_target, &call->for_reason,    &call->copy_id,
                                     &call->given_user, &call->given_password};
  for (int i = 0; i < 11; ++i) free(texts[i]->data);
  free(call->recipients);
  free(call);
}

/* After lsmtpd_test_finish(). */
static inline void lsmtpd_test_free(lsmtpd_test* t) {
  for (size_t i = 0; i < t->call_count; ++i) lsmtpd_t_free_call(t->calls[i]);
  free(t->calls);
  while (t->mails != NULL) {
    lsmtpd_test_mail* next = t->mails->next;
    lsmtpd_t_free_mail(t->mails);
    t->mails = next;
  }
  while (t->hosts != NULL) {
    lsmtpd_t_host* next = t->hosts->next;
    free(t->hosts);
    t->hosts = next;
  }
  for (size_t i = 0; i < t->kept_count; ++i) free(t->kept[i]);
  free(t->kept);
  lsmtpd_test_dns_clear(t);
  lsmtpd_t_free_metrics(t);
  lsmtpd_t_free_scopes(t);
  lsmtpd_t_free_pairs(t->given);
  lsmtpd_t_free_pairs(t->defaults);
  lsmtpd_test_text* const texts[] = {&t->failures, &t->errors,   &t->warnings,
                                     &t->log,      &t->terminal, &t->steps};
  for (int i = 0; i < 6; ++i) free(texts[i]->data);
  close(t->wake[0]);
  close(t->wake[1]);
  pthread_mutex_destroy(&t->mutex);
  free(t);
}

#endif
