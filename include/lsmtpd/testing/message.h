// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.message/1, annotations/1 and edits/1 on a message in memory, which may pretend
 * to be spilled. Handles for annotations and edits are the message itself. */
#ifndef LSMTPD_TESTING_MESSAGE_H
#define LSMTPD_TESTING_MESSAGE_H

#include "tools.h"

/* Begins each function that a plugin calls. A message without a pin or an open call is gone. Locks
 * the mutex.
 */
static inline lsmtpd_test_mail* lsmtpd_t_enter(const lsmtpd_message* message,
                                               const char* function) {
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)(uintptr_t)message;
  lsmtpd_t_lock(mail->test);
  if (mail->references <= 0)
    lsmtpd_t_fail(mail->test, "message: %s() after the call was completed, without a pin",
                  function);
  return mail;
}

static inline const lsmtpd_envelope* lsmtpd_t_envelope(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "envelope");
  lsmtpd_t_unlock(mail->test);
  return &mail->envelope;
}
static inline uint64_t lsmtpd_t_size(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "size");
  lsmtpd_t_unlock(mail->test);
  return mail->content.size;
}
static inline lsmtpd_str lsmtpd_t_peek(const lsmtpd_message* message, uint64_t offset) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "peek");
  lsmtpd_str piece = lsmtpd_t_str(&mail->content);
  if (mail->spilled || offset >= piece.size) piece.size = offset = 0;
  piece.data += offset;
  piece.size -= offset;
  lsmtpd_t_unlock(mail->test);
  return piece;
}
static inline int64_t lsmtpd_t_read(const lsmtpd_message* message, uint64_t offset, void* buffer,
                                    uint64_t size) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "read");
  lsmtpd_test* t = mail->test;
  int64_t count = 0;
  if (mail->spilled && lsmtpd_t_on_loop(t))
    lsmtpd_t_fail(t, "message: read() of a spilled message on the loop");
  if (t->reads_to_fail != 0) {
    if (t->reads_to_fail > 0) --t->reads_to_fail;
    count = -1;
  } else if (offset < mail->content.size) {
    const uint64_t left = mail->content.size - offset;
    count = (int64_t)(left < size ? left : size);
    memcpy(buffer, mail->content.data + offset, (size_t)count);
  }
  lsmtpd_t_unlock(t);
  return count;
}
static inline void lsmtpd_t_pin(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "pin");
  ++mail->references;
  lsmtpd_t_unlock(mail->test);
}
static inline void lsmtpd_t_unpin(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "unpin");
  --mail->references;
  lsmtpd_t_unlock(mail->test);
}

/* Pairs in the order of their keys' bytes, as the daemon has them; an empty value removes. */
static inline int lsmtpd_t_compare(lsmtpd_str a, const lsmtpd_test_text* b) {
  const size_t shorter = a.size < b->size ? (size_t)a.size : b->size;
  const int order = shorter == 0 ? 0 : memcmp(a.data, b->data, shorter);
  return order != 0 ? order : a.size < b->size ? -1 : a.size > b->size;
}
static inline void lsmtpd_t_set_pair(lsmtpd_t_pair** list, lsmtpd_str key, lsmtpd_str value) {
  int order = 1;
  while (*list != NULL && (order = lsmtpd_t_compare(key, &(*list)->key)) > 0) list = &(*list)->next;
  if (*list != NULL && order == 0) {
    lsmtpd_t_pair* old = *list;
    *list = old->next;
    old->next = NULL;
    lsmtpd_t_free_pairs(old);
  }
  if (value.size == 0) return;
  lsmtpd_t_pair* pair = NULL;
  lsmtpd_t_add_pair(&pair, key, value);
  pair->next = *list;
  *list = pair;
}

static inline lsmtpd_str lsmtpd_t_annotation(const lsmtpd_message* message, lsmtpd_str key) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "annotations.get");
  const lsmtpd_t_pair* pair = lsmtpd_t_find_pair(mail->annotations, key);
  lsmtpd_t_unlock(mail->test);
  return pair == NULL ? lsmtpd_test_str("") : lsmtpd_t_str(&pair->value);
}
static inline uint32_t lsmtpd_t_annotation_at(const lsmtpd_message* message, uint32_t index,
                                              lsmtpd_str* key, lsmtpd_str* value) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "annotations.at");
  const lsmtpd_t_pair* pair = mail->annotations;
  while (pair != NULL && index-- != 0) pair = pair->next;
  if (pair != NULL) {
    *key = lsmtpd_t_str(&pair->key);
    *value = lsmtpd_t_str(&pair->value);
  }
  lsmtpd_t_unlock(mail->test);
  return pair != NULL;
}

/* 1: an edit may go on. The mutex is held. */
static inline int lsmtpd_t_may_edit(lsmtpd_test_mail* mail, const char* function) {
  lsmtpd_test* t = mail->test;
  if (!mail->open && !mail->made_by_plugin) {
    lsmtpd_t_fail(t, "message: %s() while no call is open", function);
    return 0;
  }
  if (t->edits_to_fail == 0) return 1;
  if (t->edits_to_fail > 0) --t->edits_to_fail;
  return 0;
}
static inline int32_t lsmtpd_t_annotate(lsmtpd_annotations* annotations, lsmtpd_str key,
                                        lsmtpd_str value) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter((const lsmtpd_message*)(uintptr_t)annotations, "set");
  const int allowed = lsmtpd_t_may_edit(mail, "set");
  if (allowed) lsmtpd_t_set_pair(&mail->annotation_edits, key, value);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline lsmtpd_str lsmtpd_t_annotation_now(const lsmtpd_annotations* annotations,
                                                 lsmtpd_str key) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter((const lsmtpd_message*)(uintptr_t)annotations, "find");
  const lsmtpd_t_pair* pair = lsmtpd_t_find_pair(mail->annotation_edits, key);
  lsmtpd_t_unlock(mail->test);
  return pair == NULL ? lsmtpd_test_str("") : lsmtpd_t_str(&pair->value);
}
static inline const lsmtpd_annotations_1* lsmtpd_t_annotations_table(void) {
  static const lsmtpd_annotations_1 table = {lsmtpd_t_annotation, lsmtpd_t_annotation_at,
                                             lsmtpd_t_annotate, lsmtpd_t_annotation_now};
  return &table;
}

static inline lsmtpd_test_mail* lsmtpd_t_enter_edits(const lsmtpd_edits* edits,
                                                     const char* function) {
  return lsmtpd_t_enter((const lsmtpd_message*)(uintptr_t)edits, function);
}
static inline int32_t lsmtpd_t_set_reverse_path(lsmtpd_edits* edits, lsmtpd_str address) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "set_reverse_path");
  int allowed = lsmtpd_t_may_edit(mail, "set_reverse_path");
  for (uint64_t i = 0; i < address.size; ++i) {
    const unsigned char c = (unsigned char)address.data[i];
    if (c <= 0x20 || c == 0x7f || c == '<' || c == '>') allowed = 0;
  }
  if (allowed) {
    free(mail->reverse_path.data);
    mail->reverse_path = lsmtpd_t_copy(address);
    mail->reverse_path_set = 1;
  }
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int lsmtpd_t_has_control(lsmtpd_str text) {
  for (size_t i = 0; i < text.size; ++i)
    if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) return 1;
  return 0;
}
/* Not all of RFC 5321: enough for the mistakes that plugins make. */
static inline int lsmtpd_t_is_mailbox(lsmtpd_str address) {
  const char* at =
      address.size == 0 ? NULL : (const char*)memchr(address.data, '@', (size_t)address.size);
  if (at == NULL || at == address.data || at + 1 == address.data + address.size) return 0;
  for (uint64_t i = 0; i < address.size; ++i)
    if (strchr(" <>", address.data[i]) != NULL) return 0;
  return !lsmtpd_t_has_control(address);
}
static inline int32_t lsmtpd_t_add_recipient(lsmtpd_edits* edits, lsmtpd_str address,
                                             lsmtpd_str parameters) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "add_recipient");
  const int allowed = lsmtpd_t_may_edit(mail, "add_recipient") && lsmtpd_t_is_mailbox(address) &&
                      !lsmtpd_t_has_control(parameters);
  if (allowed) lsmtpd_t_add_pair(&mail->added, address, parameters);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int lsmtpd_t_is_removed(const lsmtpd_test_mail* mail, uint64_t index) {
  for (size_t i = 0; i < mail->removed_count; ++i)
    if (mail->removed[i] == index) return 1;
  return 0;
}
static inline int32_t lsmtpd_t_remove_recipient(lsmtpd_edits* edits, uint64_t index) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "remove_recipient");
  int allowed = lsmtpd_t_may_edit(mail, "remove_recipient") &&
                index < mail->envelope.recipient_count && !lsmtpd_t_is_removed(mail, index);
  if (mail->added == NULL && mail->removed_count + 1 >= mail->envelope.recipient_count) allowed = 0;
  if (allowed) {
    uint64_t* grown = (uint64_t*)realloc(mail->removed, (mail->removed_count + 1) * sizeof *grown);
    if (grown == NULL) abort();
    grown[mail->removed_count++] = index;
    mail->removed = grown;
  }
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
/* RFC 5322 2.2: "Name: value" lines, and those that begin with a blank, each with its CRLF. */
static inline int lsmtpd_t_is_header_fields(lsmtpd_str fields) {
  const char* at = fields.data;
  const char* end = at + fields.size;
  int first = 1;
  while (at < end) {
    const char* line = at;
    const char* colon = NULL;
    for (; at < end && *at != '\r'; ++at) {
      if (*at == '\n' || *at == '\0') return 0;
      if (*at == ':' && colon == NULL) colon = at;
    }
    if (end - at < 2 || at[1] != '\n') return 0;
    at += 2;
    if (!first && (*line == ' ' || *line == '\t')) continue;
    first = 0;
    if (colon == NULL || colon == line) return 0;
    for (; line < colon; ++line)
      if (*line <= ' ' || *line >= 0x7f) return 0;
  }
  return !first;
}
static inline int32_t lsmtpd_t_prepend_header(lsmtpd_edits* edits, lsmtpd_str fields) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "prepend_header");
  const int allowed =
      lsmtpd_t_may_edit(mail, "prepend_header") && lsmtpd_t_is_header_fields(fields);
  if (allowed) {
    lsmtpd_test_text before = mail->prepended;
    mail->prepended = lsmtpd_t_copy(fields);
    lsmtpd_t_append(&mail->prepended, before.data, before.size);
    free(before.data);
  }
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_body_append(lsmtpd_edits* edits, lsmtpd_str bytes) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "body_append");
  const int allowed = lsmtpd_t_may_edit(mail, "body_append");
  if (allowed) lsmtpd_t_append(&mail->body, bytes.data, (size_t)bytes.size);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int lsmtpd_t_has_whole_line_ends(const char* text, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return 0;
    if (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n')) return 0;
  }
  return 1;
}
static inline int32_t lsmtpd_t_body_commit(lsmtpd_edits* edits) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, "body_commit");
  const int allowed = lsmtpd_t_may_edit(mail, "body_commit") && mail->body.data != NULL &&
                      lsmtpd_t_has_whole_line_ends(mail->body.data, mail->body.size);
  if (allowed) mail->body_committed = 1;
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}

static inline const lsmtpd_edits_1* lsmtpd_t_edits_table(void) {
  static const lsmtpd_edits_1 table = {lsmtpd_t_set_reverse_path, lsmtpd_t_add_recipient,
                                       lsmtpd_t_remove_recipient, lsmtpd_t_prepend_header,
                                       lsmtpd_t_body_append,      lsmtpd_t_body_commit};
  return &table;
}

static inline const lsmtpd_message_1* lsmtpd_t_message_table(void) {
  static const lsmtpd_message_1 table = {lsmtpd_t_envelope, lsmtpd_t_size, lsmtpd_t_peek,
                                         lsmtpd_t_read,     lsmtpd_t_pin,  lsmtpd_t_unpin};
  return &table;
}

#endif
