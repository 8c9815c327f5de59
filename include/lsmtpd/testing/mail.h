// SPDX-License-Identifier: Apache-2.0
/* Fake host: functions for tests to make messages and to read the results. */
#ifndef LSMTPD_TESTING_MAIL_H
#define LSMTPD_TESTING_MAIL_H

#include "header.h"

static inline lsmtpd_str lsmtpd_t_word(lsmtpd_test_mail* mail, lsmtpd_str word) {
  lsmtpd_test_text* copy = &mail->words[mail->word_count++];
  *copy = lsmtpd_t_copy(word);
  return lsmtpd_t_str(copy);
}

static inline lsmtpd_test_mail* lsmtpd_t_mail(lsmtpd_test* t, uint64_t recipients) {
  lsmtpd_test_mail* mail = (lsmtpd_test_mail*)lsmtpd_t_alloc(sizeof *mail);
  mail->test = t;
  mail->field_count = -1;
  mail->tls.size = sizeof mail->tls;
  mail->auth.size = sizeof mail->auth;
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
  mail->envelope.recipient_stride = sizeof(lsmtpd_recipient);
  mail->envelope.recipient_count = mail->envelope.recipient_total = recipients;
  for (uint32_t i = 0; i < recipients; ++i) mail->recipients[i].number = i;
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
  envelope->local_address = lsmtpd_test_str("192.0.2.2");
  envelope->local_port = 25;
  envelope->session = 1;
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
  lsmtpd_t_set_pair(&mail->annotations, lsmtpd_test_str(key), lsmtpd_test_str(value));
}

/* The TLS session and the login that the envelope names; NULL: none. */
static inline void lsmtpd_test_mail_tls(lsmtpd_test_mail* mail, const char* version,
                                        const char* cipher) {
  mail->tls.version = lsmtpd_test_str(version);
  mail->tls.cipher = lsmtpd_test_str(cipher);
  mail->envelope.tls = version == NULL ? NULL : &mail->tls;
}
static inline void lsmtpd_test_mail_auth(lsmtpd_test_mail* mail, const char* user,
                                         const char* mechanism) {
  mail->auth.user = lsmtpd_test_str(user);
  mail->auth.mechanism = lsmtpd_test_str(mechanism);
  mail->envelope.auth = user == NULL ? NULL : &mail->auth;
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

static inline void lsmtpd_t_copy_pairs(lsmtpd_t_pair** to, const lsmtpd_t_pair* from) {
  lsmtpd_t_free_pairs(*to);
  *to = NULL;
  for (; from != NULL; from = from->next)
    lsmtpd_t_add_pair(to, lsmtpd_t_str(&from->key), lsmtpd_t_str(&from->value));
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
  edited->envelope.recipient_count = edited->envelope.recipient_total = kept;
  for (uint32_t i = 0; i < kept; ++i) edited->recipients[i].number = i;
  if (edits && mail->reverse_path_set)
    edited->envelope.reverse_path = lsmtpd_t_str(&mail->reverse_path);
  if (edits) lsmtpd_t_append(&edited->content, mail->prepended.data, mail->prepended.size);
  if (edits && mail->body_committed)
    lsmtpd_t_append(&edited->content, mail->body.data, mail->body.size);
  else if (edits && mail->header_edits != NULL)
    lsmtpd_t_write_header(&edited->content, mail);
  else
    lsmtpd_t_append(&edited->content, mail->content.data, mail->content.size);
  lsmtpd_t_copy_pairs(&edited->annotations, edits ? mail->annotation_edits : mail->annotations);
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
  free(mail->reverse_path.data);
  free(mail->fields);
  while (mail->header_edits != NULL) {
    lsmtpd_t_header_edit* next = mail->header_edits->next;
    free(mail->header_edits->field.data);
    free(mail->header_edits);
    mail->header_edits = next;
  }
  free(mail);
}

#endif
