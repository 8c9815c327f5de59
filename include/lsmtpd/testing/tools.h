// SPDX-License-Identifier: Apache-2.0
/* Fake host: text, lists of pairs, failures, the mutex and the clock. */
#ifndef LSMTPD_TESTING_TOOLS_H
#define LSMTPD_TESTING_TOOLS_H

#include "base.h" /* before the headers of the C library */

#include <stdarg.h>

static inline lsmtpd_str lsmtpd_test_str(const char* text) {
  lsmtpd_str str;
  str.data = text;
  str.size = text == NULL ? 0 : strlen(text);
  return str;
}

static inline void* lsmtpd_t_alloc(size_t size) {
  void* memory = calloc(1, size == 0 ? 1 : size);
  if (memory == NULL) abort();
  return memory;
}

static inline void lsmtpd_t_append(lsmtpd_test_text* text, const char* data, size_t size) {
  char* grown = (char*)realloc(text->data, text->size + size + 1);
  if (grown == NULL) abort();
  if (size != 0) memcpy(grown + text->size, data, size);
  text->data = grown;
  text->size += size;
  grown[text->size] = '\0';
}

/* The mutex is held, or only one thread is there. */
static inline void* lsmtpd_t_keep(lsmtpd_test* t, void* memory) {
  t->kept = (void**)realloc(t->kept, (t->kept_count + 1) * sizeof *t->kept);
  if (t->kept == NULL) abort();
  t->kept[t->kept_count++] = memory;
  return memory;
}

static inline lsmtpd_test_text lsmtpd_t_copy(lsmtpd_str from) {
  lsmtpd_test_text text;
  text.data = NULL;
  text.size = 0;
  lsmtpd_t_append(&text, from.data, (size_t)from.size);
  return text;
}

static inline lsmtpd_str lsmtpd_t_str(const lsmtpd_test_text* text) {
  lsmtpd_str str;
  str.data = text->data;
  str.size = text->size;
  return str;
}

static inline int lsmtpd_t_same(lsmtpd_str str, const char* text) {
  return str.size == strlen(text) && memcmp(str.data, text, strlen(text)) == 0;
}

static inline void lsmtpd_t_free_pairs(lsmtpd_t_pair* pair) {
  while (pair != NULL) {
    lsmtpd_t_pair* next = pair->next;
    free(pair->key.data);
    free(pair->value.data);
    free(pair);
    pair = next;
  }
}

/* Adds at the end, so that order is kept. */
static inline void lsmtpd_t_add_pair(lsmtpd_t_pair** list, lsmtpd_str key, lsmtpd_str value) {
  lsmtpd_t_pair* pair = (lsmtpd_t_pair*)lsmtpd_t_alloc(sizeof *pair);
  pair->key = lsmtpd_t_copy(key);
  pair->value = lsmtpd_t_copy(value);
  while (*list != NULL) list = &(*list)->next;
  *list = pair;
}

static inline lsmtpd_t_pair* lsmtpd_t_find_pair(lsmtpd_t_pair* list, lsmtpd_str key) {
  for (; list != NULL; list = list->next)
    if (list->key.size == key.size && memcmp(list->key.data, key.data, (size_t)key.size) == 0)
      return list;
  return NULL;
}

static inline void lsmtpd_t_vline(lsmtpd_test_text* text, const char* format, va_list arguments) {
  char line[1024];
  int size = vsnprintf(line, sizeof line, format, arguments);
  if (size < 0) return;
  lsmtpd_t_append(text, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
  lsmtpd_t_append(text, "\n", 1);
}

static inline void lsmtpd_t_line(lsmtpd_test_text* text, const char* format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void lsmtpd_t_line(lsmtpd_test_text* text, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  lsmtpd_t_vline(text, format, arguments);
  va_end(arguments);
}

/* A broken rule. [any] The mutex must be held. */
static inline void lsmtpd_t_fail(lsmtpd_test* t, const char* format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void lsmtpd_t_fail(lsmtpd_test* t, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  lsmtpd_t_vline(&t->failures, format, arguments);
  va_end(arguments);
}

static inline void lsmtpd_t_lock(lsmtpd_test* t) {
  pthread_mutex_lock(&t->mutex);
}
static inline void lsmtpd_t_unlock(lsmtpd_test* t) {
  pthread_mutex_unlock(&t->mutex);
}

/* Ends a poll() that waits. [any] */
static inline void lsmtpd_t_wake(lsmtpd_test* t) {
  ssize_t written = write(t->wake[1], "", 1); /* full: it will wake up all the same */
  (void)written;
}

static inline int lsmtpd_t_on_loop(const lsmtpd_test* t) {
  return pthread_equal(pthread_self(), t->loop_thread) && !t->in_work;
}

static inline uint64_t lsmtpd_t_clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

#endif
