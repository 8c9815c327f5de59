/* Fake host: lsmtpd.message/1 on a message in memory, which may pretend to be spilled. */
#ifndef LSMTPD_TESTING_MESSAGE_H
#define LSMTPD_TESTING_MESSAGE_H

#include "base.h"

/* The plugin's way in. A message without a pin or an open call is gone for it. The mutex is taken.
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

static inline lsmtpd_str lsmtpd_t_annotation(const lsmtpd_message* message, lsmtpd_str key) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "annotation");
  const lsmtpd_t_pair* pair = lsmtpd_t_find_pair(mail->annotations, key);
  lsmtpd_t_unlock(mail->test);
  return pair == NULL ? lsmtpd_test_str("") : lsmtpd_t_str(&pair->value);
}
static inline uint32_t lsmtpd_t_annotation_at(const lsmtpd_message* message, uint32_t index,
                                              lsmtpd_str* key, lsmtpd_str* value) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "annotation_at");
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
static inline int32_t lsmtpd_t_annotate(const lsmtpd_message* message, lsmtpd_str key,
                                        lsmtpd_str value) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "annotate");
  const int allowed = lsmtpd_t_may_edit(mail, "annotate");
  if (allowed)
    lsmtpd_t_add_pair(mail->made_by_plugin ? &mail->annotations : &mail->annotation_edits, key,
                      value);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_add_recipient(const lsmtpd_message* message, lsmtpd_str address,
                                             lsmtpd_str parameters) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "add_recipient");
  const int allowed = lsmtpd_t_may_edit(mail, "add_recipient");
  if (allowed) lsmtpd_t_add_pair(&mail->added, address, parameters);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int lsmtpd_t_is_removed(const lsmtpd_test_mail* mail, uint64_t index) {
  for (size_t i = 0; i < mail->removed_count; ++i)
    if (mail->removed[i] == index) return 1;
  return 0;
}
static inline int32_t lsmtpd_t_remove_recipient(const lsmtpd_message* message, uint64_t index) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "remove_recipient");
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
static inline int32_t lsmtpd_t_prepend_header(const lsmtpd_message* message, lsmtpd_str fields) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "prepend_header");
  const int allowed = lsmtpd_t_may_edit(mail, "prepend_header");
  if (allowed) {
    lsmtpd_test_text before = mail->prepended;
    mail->prepended = lsmtpd_t_copy(fields);
    lsmtpd_t_append(&mail->prepended, before.data, before.size);
    free(before.data);
  }
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_body_append(const lsmtpd_message* message, lsmtpd_str bytes) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "body_append");
  const int allowed = lsmtpd_t_may_edit(mail, "body_append");
  if (allowed)
    lsmtpd_t_append(mail->made_by_plugin ? &mail->content : &mail->body, bytes.data,
                    (size_t)bytes.size);
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_body_commit(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "body_commit");
  const int allowed = lsmtpd_t_may_edit(mail, "body_commit");
  if (allowed) mail->body_committed = 1;
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}

static inline const lsmtpd_message_1* lsmtpd_t_message_table(void) {
  static const lsmtpd_message_1 table = {lsmtpd_t_envelope,
                                         lsmtpd_t_size,
                                         lsmtpd_t_peek,
                                         lsmtpd_t_read,
                                         lsmtpd_t_pin,
                                         lsmtpd_t_unpin,
                                         lsmtpd_t_annotation,
                                         lsmtpd_t_annotation_at,
                                         lsmtpd_t_annotate,
                                         lsmtpd_t_add_recipient,
                                         lsmtpd_t_remove_recipient,
                                         lsmtpd_t_prepend_header,
                                         lsmtpd_t_body_append,
                                         lsmtpd_t_body_commit};
  return &table;
}

/* ---- for tests ---- */

static inline lsmtpd_str lsmtpd_t_word(lsmtpd_test_mail* mail, lsmtpd_str word) {
  lsmtpd_test_text* copy = &mail->words[mail->word_count++];
  *copy = lsmtpd_t_copy(word);
  return lsmtpd_t_str(copy);
}

static inline lsmtpd_test_mail* lsmtpd_t_mail(lsmtpd_test* t, uint64_t recipients) {
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)lsmtpd_t_alloc(sizeof *mail);
  mail->test = t;
  mail->recipients =
      (lsmtpd_recipient*)lsmtpd_t_alloc((size_t)recipients * sizeof(lsmtpd_recipient));
  lsmtpd_t_lock(t);
  ++t->mail_count;
  mail->next = t->mails;
  t->mails = mail;
  lsmtpd_t_unlock(t);
  lsmtpd_t_append(&mail->content, "", 0);
  mail->envelope.size = sizeof mail->envelope;
  mail->envelope.recipients = mail->recipients;
  mail->envelope.recipient_count = recipients;
  return mail;
}

/* A message of `size` bytes, from a client at 192.0.2.1. Recipients are separated by single spaces.
 */
static inline lsmtpd_test_mail* lsmtpd_test_mail_bytes(lsmtpd_test* t, const char* reverse_path,
                                                       const char* recipients, const void* content,
                                                       size_t size) {
  uint64_t count = *recipients == '\0' ? 0 : 1;
  for (const char* at = recipients; *at != '\0'; ++at) count += *at == ' ';
  lsmtpd_test_mail* mail = lsmtpd_t_mail(t, count);
  char id[64];
  snprintf(id, sizeof id, "00000000-0000-4000-8000-%012u", t->mail_count);
  lsmtpd_envelope* envelope = &mail->envelope;
  envelope->peer_port = 40000;
  envelope->id = lsmtpd_t_word(mail, lsmtpd_test_str(id));
  envelope->time_ns = INT64_C(1700000000123456789);
  envelope->reverse_path = lsmtpd_t_word(mail, lsmtpd_test_str(reverse_path));
  envelope->helo = lsmtpd_test_str("client.example.org");
  envelope->protocol = lsmtpd_test_str("ESMTP");
  envelope->listener = lsmtpd_test_str("mx");
  envelope->peer_address = lsmtpd_test_str("192.0.2.1");
  const char* at = lsmtpd_t_word(mail, lsmtpd_test_str(recipients)).data;
  for (uint64_t i = 0; i < count; ++i) {
    mail->recipients[i].address.data = at;
    mail->recipients[i].address.size = strcspn(at, " ");
    at += mail->recipients[i].address.size + 1;
  }
  lsmtpd_t_append(&mail->content, (const char*)content, size);
  return mail;
}

static inline lsmtpd_test_mail* lsmtpd_test_mail_new(lsmtpd_test* t, const char* reverse_path,
                                                     const char* recipients, const char* content) {
  return lsmtpd_test_mail_bytes(t, reverse_path, recipients, content, strlen(content));
}

/* From now on its content lies "in a file": peek() is empty, and read() must not be called on the
 * loop. */
static inline void lsmtpd_test_mail_spill(lsmtpd_test_mail* mail) {
  mail->spilled = 1;
}

/* An annotation that an earlier filter made. */
static inline void lsmtpd_test_mail_annotate(lsmtpd_test_mail* mail, const char* key,
                                             const char* value) {
  lsmtpd_t_add_pair(&mail->annotations, lsmtpd_test_str(key), lsmtpd_test_str(value));
}

/* Content and annotations as they are in this mail; NUL-terminated. NULL: there is no such
 * annotation. */
static inline const char* lsmtpd_test_mail_content(const lsmtpd_test_mail* mail) {
  return mail->content.data;
}
static inline const char* lsmtpd_test_mail_annotation(const lsmtpd_test_mail* mail,
                                                      const char* key) {
  const lsmtpd_t_pair* pair = lsmtpd_t_find_pair(mail->annotations, lsmtpd_test_str(key));
  return pair == NULL ? NULL : pair->value.data;
}

static inline void lsmtpd_t_edit_annotations(lsmtpd_test_mail* edited,
                                             const lsmtpd_test_mail* mail) {
  for (const lsmtpd_t_pair* pair = mail->annotations; pair != NULL; pair = pair->next)
    if (lsmtpd_t_find_pair(mail->annotation_edits, lsmtpd_t_str(&pair->key)) == NULL)
      lsmtpd_t_add_pair(&edited->annotations, lsmtpd_t_str(&pair->key), lsmtpd_t_str(&pair->value));
  for (const lsmtpd_t_pair* pair = mail->annotation_edits; pair != NULL; pair = pair->next) {
    const lsmtpd_t_pair* later = lsmtpd_t_find_pair(pair->next, lsmtpd_t_str(&pair->key));
    if (later == NULL && pair->value.size != 0)
      lsmtpd_t_add_pair(&edited->annotations, lsmtpd_t_str(&pair->key), lsmtpd_t_str(&pair->value));
  }
}

/* The message as the next step of the chain would see it: with the edits, where they took effect.
 * `mail` must live. */
static inline lsmtpd_test_mail* lsmtpd_test_mail_edited(const lsmtpd_test_mail* mail) {
  uint64_t added = 0, kept = 0;
  const int edits = mail->edited;
  for (const lsmtpd_t_pair* pair = mail->added; edits && pair != NULL; pair = pair->next) ++added;
  lsmtpd_test_mail* edited = lsmtpd_t_mail(mail->test, mail->envelope.recipient_count + added);
  edited->envelope = mail->envelope;
  edited->envelope.recipients = edited->recipients;
  for (uint64_t i = 0; i < mail->envelope.recipient_count; ++i)
    if (!edits || !lsmtpd_t_is_removed(mail, i))
      edited->recipients[kept++] = mail->envelope.recipients[i];
  for (const lsmtpd_t_pair* pair = mail->added; edits && pair != NULL; pair = pair->next, ++kept) {
    edited->recipients[kept].address = lsmtpd_t_str(&pair->key);
    edited->recipients[kept].parameters = lsmtpd_t_str(&pair->value);
  }
  edited->envelope.recipient_count = kept;
  if (edits) {
    lsmtpd_t_append(&edited->content, mail->prepended.data, mail->prepended.size);
    lsmtpd_t_edit_annotations(edited, mail);
  }
  const lsmtpd_test_text* body = edits && mail->body_committed ? &mail->body : &mail->content;
  lsmtpd_t_append(&edited->content, body->data, body->size);
  for (const lsmtpd_t_pair* pair = mail->annotations; !edits && pair != NULL; pair = pair->next)
    lsmtpd_t_add_pair(&edited->annotations, lsmtpd_t_str(&pair->key), lsmtpd_t_str(&pair->value));
  return edited;
}

static inline void lsmtpd_t_free_mail(lsmtpd_test_mail* mail) {
  for (size_t i = 0; i < mail->word_count; ++i) free(mail->words[i].data);
  lsmtpd_t_free_pairs(mail->annotations);
  lsmtpd_t_free_pairs(mail->annotation_edits);
  lsmtpd_t_free_pairs(mail->added);
  free(mail->recipients);
  free(mail->content.data);
  free(mail->removed);
  free(mail->prepended.data);
  free(mail->body.data);
  free(mail);
}

#endif
