// SPDX-License-Identifier: Apache-2.0
/* Fake host: the numbers of options, with their units. */
#ifndef LSMTPD_TESTING_NUMBERS_H
#define LSMTPD_TESTING_NUMBERS_H

#include "base.h"

static inline int lsmtpd_t_unit(uint32_t type, const char* unit, int64_t* factor) {
  static const struct {
    uint32_t type;
    const char* unit;
    int64_t factor;
  } units[] = {{LSMTPD_TYPE_INT, "", 1},
               {LSMTPD_TYPE_SIZE, "", 1},
               {LSMTPD_TYPE_SIZE, "B", 1},
               {LSMTPD_TYPE_SIZE, "KiB", 1024},
               {LSMTPD_TYPE_SIZE, "MiB", 1048576},
               {LSMTPD_TYPE_SIZE, "GiB", 1073741824},
               {LSMTPD_TYPE_SIZE, "TiB", INT64_C(1099511627776)},
               {LSMTPD_TYPE_DURATION, "ms", 1},
               {LSMTPD_TYPE_DURATION, "s", 1000},
               {LSMTPD_TYPE_DURATION, "m", 60000},
               {LSMTPD_TYPE_DURATION, "h", 3600000},
               {LSMTPD_TYPE_DURATION, "d", 86400000}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; ++i)
    if (units[i].type == type && strcmp(units[i].unit, unit) == 0) {
      *factor = units[i].factor;
      return 1;
    }
  return 0;
}

/* 1 and the number, or 0. */
static inline int lsmtpd_t_number(uint32_t type, const char* text, int64_t* value) {
  if (type == LSMTPD_TYPE_BOOL) {
    *value = strcmp(text, "true") == 0;
    return *value != 0 || strcmp(text, "false") == 0;
  }
  char* end = NULL;
  int64_t factor = 1;
  *value = strtoll(text, &end, 10);
  if (end == text) return 0;
  if (type == LSMTPD_TYPE_DURATION && strcmp(text, "0") == 0) return 1;
  if (!lsmtpd_t_unit(type, end, &factor) || *value > INT64_MAX / factor) return 0;
  if (*value < 0 && type != LSMTPD_TYPE_INT) return 0;
  *value *= factor;
  return 1;
}

static inline int lsmtpd_t_is_number(uint32_t type) {
  return type >= LSMTPD_TYPE_BOOL && type <= LSMTPD_TYPE_DURATION;
}

#endif
