// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.header/1. */
#ifndef LSMTPD_TESTING_HEADER_H
#define LSMTPD_TESTING_HEADER_H

#include "message.h"

static inline int lsmtpd_t_is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Splits a field, whole with its line end, into name and value; without a name where it is none. */
static inline lsmtpd_header_field lsmtpd_t_split_field(const char* at, const char* end) {
  lsmtpd_header_field field;
  memset(&field, 0, sizeof field);
  field.size = sizeof field;
  field.whole.data = field.value.data = at;
  field.whole.size = (uint64_t)(end - at);
  const char* value_end = end - at >= 2 && end[-1] == '\n' && end[-2] == '\r' ? end - 2 : end;
  const char* colon = at;
  while (colon<end&& * colon> ' ' && *colon < 0x7f && *colon != ':') ++colon;
  if (colon < end && colon > at && *colon == ':') {
    field.name.data = at;
    field.name.size = (uint64_t)(colon - at);
    field.value.data = colon + 1;
    while (field.value.data < value_end && lsmtpd_t_is_blank(*field.value.data)) ++field.value.data;
  }
  field.value.size = (uint64_t)(value_end - field.value.data);
  return field;
}

static inline const char* lsmtpd_t_line_end(const char* at, const char* end) {
  for (; at + 1 < end; ++at)
    if (at[0] == '\r' && at[1] == '\n') return at + 2;
  return end;
}

#define LSMTPD_T_HEADER_MOST (1u << 20)

/* Bytes of the header, without the empty line behind it; the mutex is held. */
static inline const char* lsmtpd_t_header_end(const lsmtpd_test_mail* mail) {
  const char* at = mail->content.data;
  const char* end = at + mail->content.size;
  while (at < end && !(end - at >= 2 && at[0] == '\r' && at[1] == '\n'))
    at = lsmtpd_t_line_end(at, end);
  return at;
}

static inline int64_t lsmtpd_t_field_count(const lsmtpd_message* message) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "header.count");
  lsmtpd_test* t = mail->test;
  if (mail->field_count < 0) {
    const char* end = lsmtpd_t_header_end(mail);
    int fails = end - mail->content.data > (ptrdiff_t)LSMTPD_T_HEADER_MOST;
    if (mail->spilled && lsmtpd_t_on_loop(t))
      lsmtpd_t_fail(t, "message: header.count() of a spilled message on the loop");
    if (t->reads_to_fail != 0) {
      if (t->reads_to_fail > 0) --t->reads_to_fail;
      fails = 1;
    }
    if (!fails) mail->field_count = 0;
    for (const char* at = mail->content.data; !fails && at < end;) {
      const char* next = lsmtpd_t_line_end(at, end);
      while (next < end && lsmtpd_t_is_blank(*next)) next = lsmtpd_t_line_end(next, end);
      mail->fields = (lsmtpd_header_field*)realloc(
          mail->fields, ((size_t)mail->field_count + 1) * sizeof *mail->fields);
      if (mail->fields == NULL) abort();
      mail->fields[mail->field_count++] = lsmtpd_t_split_field(at, next);
      at = next;
    }
  }
  const int64_t count = mail->field_count;
  lsmtpd_t_unlock(t);
  return count;
}
static inline uint32_t lsmtpd_t_field_at(const lsmtpd_message* message, uint64_t index,
                                         lsmtpd_header_field* field) {
  const lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "header.at");
  const int there = mail->field_count >= 0 && index < (uint64_t)mail->field_count;
  if (there) {
    const size_t size = field->size < sizeof *field ? field->size : sizeof *field;
    const uint32_t given = field->size;
    memcpy(field, &mail->fields[index], size);
    field->size = given;
  }
  lsmtpd_t_unlock(mail->test);
  return there != 0;
}
static inline int lsmtpd_t_same_name(lsmtpd_str a, lsmtpd_str b) {
  if (a.size != b.size) return 0;
  for (uint64_t i = 0; i < a.size; ++i) {
    const char x = a.data[i], y = b.data[i];
    if ((x >= 'A' && x <= 'Z' ? x + 32 : x) != (y >= 'A' && y <= 'Z' ? y + 32 : y)) return 0;
  }
  return 1;
}
static inline int64_t lsmtpd_t_field_find(const lsmtpd_message* message, lsmtpd_str name,
                                          uint64_t from) {
  const lsmtpd_test_mail* mail = lsmtpd_t_enter(message, "header.find");
  int64_t found = -1;
  for (uint64_t i = from; found < 0 && mail->field_count > 0 && i < (uint64_t)mail->field_count;
       ++i)
    if (lsmtpd_t_same_name(mail->fields[i].name, name)) found = (int64_t)i;
  lsmtpd_t_unlock(mail->test);
  return found;
}

/* One whole field, and not two. */
static inline int lsmtpd_t_is_one_field(lsmtpd_str field) {
  if (field.size == 0 || !lsmtpd_t_is_header_fields(field)) return 0;
  const char* end = field.data + field.size;
  const char* next = lsmtpd_t_line_end(field.data, end);
  while (next < end && lsmtpd_t_is_blank(*next)) next = lsmtpd_t_line_end(next, end);
  return next == end;
}
static inline int32_t lsmtpd_t_edit_header(lsmtpd_edits* edits, const char* function,
                                           uint64_t index, lsmtpd_str field, int insert) {
  lsmtpd_test_mail* mail = lsmtpd_t_enter_edits(edits, function);
  const int there =
      mail->field_count >= 0 && index < (uint64_t)mail->field_count + (insert ? 1u : 0u);
  const int allowed = lsmtpd_t_may_edit(mail, function) && there;
  if (allowed) {
    lsmtpd_t_header_edit* edit = (lsmtpd_t_header_edit*)lsmtpd_t_alloc(sizeof *edit);
    edit->index = index;
    edit->insert = insert;
    edit->field = lsmtpd_t_copy(field);
    lsmtpd_t_header_edit** last = &mail->header_edits;
    while (*last != NULL) last = &(*last)->next;
    *last = edit;
  }
  lsmtpd_t_unlock(mail->test);
  return allowed ? 0 : -1;
}
static inline int32_t lsmtpd_t_insert_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field) {
  return lsmtpd_t_is_one_field(field) ? lsmtpd_t_edit_header(edits, "insert", index, field, 1) : -1;
}
static inline int32_t lsmtpd_t_change_field(lsmtpd_edits* edits, uint64_t index, lsmtpd_str field) {
  return lsmtpd_t_is_one_field(field) ? lsmtpd_t_edit_header(edits, "change", index, field, 0) : -1;
}
static inline int32_t lsmtpd_t_remove_field(lsmtpd_edits* edits, uint64_t index) {
  return lsmtpd_t_edit_header(edits, "remove", index, lsmtpd_test_str(""), 0);
}

/* The content with the edits of the header, for lsmtpd_test_mail_edited(). */
static inline void lsmtpd_t_write_header(lsmtpd_test_text* to, const lsmtpd_test_mail* mail) {
  for (uint64_t i = 0; i <= (uint64_t)mail->field_count; ++i) {
    const lsmtpd_t_header_edit* last = NULL;
    for (const lsmtpd_t_header_edit* edit = mail->header_edits; edit != NULL; edit = edit->next) {
      if (edit->index != i) continue;
      if (edit->insert)
        lsmtpd_t_append(to, edit->field.data, edit->field.size);
      else
        last = edit;
    }
    if (i == (uint64_t)mail->field_count) break;
    if (last != NULL)
      lsmtpd_t_append(to, last->field.data, last->field.size);
    else
      lsmtpd_t_append(to, mail->fields[i].whole.data, (size_t)mail->fields[i].whole.size);
  }
  const char* rest = lsmtpd_t_header_end(mail);
  lsmtpd_t_append(to, rest, (size_t)(mail->content.data + mail->content.size - rest));
}

static inline const lsmtpd_header_1* lsmtpd_t_header_table(void) {
  static const lsmtpd_header_1 table = {lsmtpd_t_field_count,  lsmtpd_t_field_at,
                                        lsmtpd_t_field_find,   lsmtpd_t_insert_field,
                                        lsmtpd_t_change_field, lsmtpd_t_remove_field};
  return &table;
}

#endif
