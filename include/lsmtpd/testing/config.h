// SPDX-License-Identifier: Apache-2.0
/* Fake host: options by the plugin's table, as the daemon checks them: unknown keys, types, ranges,
 * defaults. */
#ifndef LSMTPD_TESTING_CONFIG_H
#define LSMTPD_TESTING_CONFIG_H

#include "base.h"

static inline const lsmtpd_option* lsmtpd_t_option(const lsmtpd_test* t, lsmtpd_str key) {
  if (t->options == NULL) return NULL;
  for (uint32_t i = 0; i < t->options->count; ++i)
    if (lsmtpd_t_same(key, t->options->options[i].key)) return &t->options->options[i];
  return NULL;
}

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

static inline int lsmtpd_t_is_allowed(const char* allowed, const char* value) {
  size_t size = strlen(value);
  for (const char* at = allowed; (at = strstr(at, value)) != NULL; ++at)
    if ((at == allowed || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0')) return 1;
  return 0;
}

static inline void lsmtpd_t_check_option(lsmtpd_test* t, const lsmtpd_option* option,
                                         const char* value) {
  int64_t number = 0;
  if (option->type == LSMTPD_TYPE_ENUM && !lsmtpd_t_is_allowed(option->allowed, value))
    lsmtpd_t_line(&t->errors, "%s: one of: %s", option->key, option->allowed);
  if (!lsmtpd_t_is_number(option->type)) return;
  if (!lsmtpd_t_number(option->type, value, &number))
    lsmtpd_t_line(&t->errors, "%s: \"%s\" has the wrong type", option->key, value);
  else if ((option->minimum != 0 || option->maximum != 0) &&
           (number < option->minimum || number > option->maximum))
    lsmtpd_t_line(&t->errors, "%s: %lld is not between %lld and %lld", option->key,
                  (long long)number, (long long)option->minimum, (long long)option->maximum);
}

static inline void lsmtpd_t_report(lsmtpd_test_text* text, lsmtpd_str key, lsmtpd_str message) {
  lsmtpd_t_line(text, "%.*s%s%.*s", (int)key.size, key.size == 0 ? "" : key.data,
                key.size == 0 ? "" : ": ", (int)message.size,
                message.size == 0 ? "" : message.data);
}
static inline void lsmtpd_t_report_error(const lsmtpd_report* report, lsmtpd_str key,
                                         lsmtpd_str message) {
  lsmtpd_t_report(&((lsmtpd_test*)report->self)->errors, key, message);
}
static inline void lsmtpd_t_report_warning(const lsmtpd_report* report, lsmtpd_str key,
                                           lsmtpd_str message) {
  lsmtpd_t_report(&((lsmtpd_test*)report->self)->warnings, key, message);
}

/* Value number `index` of a key, or NULL; `types` is the set of types (1 << type) that the caller
 * may read so. */
static inline const lsmtpd_t_pair* lsmtpd_t_value(const lsmtpd_config* config, const char* key,
                                                  uint32_t index, uint32_t types) {
  lsmtpd_test* t = (lsmtpd_test*)config->self;
  const lsmtpd_option* option = lsmtpd_t_option(t, lsmtpd_test_str(key));
  if (option == NULL || (types >> option->type & 1u) == 0) {
    lsmtpd_t_lock(t);
    lsmtpd_t_fail(t, "config: \"%s\" is not in the option table, or has another type", key);
    lsmtpd_t_unlock(t);
    return NULL;
  }
  for (int pass = 0; pass < 2; ++pass) {
    uint32_t seen = 0;
    for (lsmtpd_t_pair* pair = pass == 0 ? t->given : t->defaults; pair != NULL; pair = pair->next)
      if (lsmtpd_t_same(lsmtpd_t_str(&pair->key), key) && seen++ == index) return pair;
    if (seen != 0) return NULL;
  }
  return NULL;
}

#define LSMTPD_T_TEXTS                                                            \
  (1u << LSMTPD_TYPE_STRING | 1u << LSMTPD_TYPE_SECRET | 1u << LSMTPD_TYPE_ENUM | \
   1u << LSMTPD_TYPE_PATH)
#define LSMTPD_T_NUMBERS                                                     \
  (1u << LSMTPD_TYPE_BOOL | 1u << LSMTPD_TYPE_INT | 1u << LSMTPD_TYPE_SIZE | \
   1u << LSMTPD_TYPE_DURATION)
#define LSMTPD_T_ITEMS (1u << LSMTPD_TYPE_LIST | 1u << LSMTPD_TYPE_MAP)

static inline uint32_t lsmtpd_t_config_is_set(const lsmtpd_config* config, const char* key) {
  return lsmtpd_t_value(config, key, 0, LSMTPD_T_TEXTS | LSMTPD_T_NUMBERS | LSMTPD_T_ITEMS) != NULL;
}
static inline lsmtpd_str lsmtpd_t_config_string(const lsmtpd_config* config, const char* key) {
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, 0, LSMTPD_T_TEXTS);
  return pair == NULL ? lsmtpd_test_str("") : lsmtpd_t_str(&pair->value);
}
static inline int64_t lsmtpd_t_config_integer(const lsmtpd_config* config, const char* key) {
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, 0, LSMTPD_T_NUMBERS);
  int64_t value = 0;
  const lsmtpd_option* option = lsmtpd_t_option((lsmtpd_test*)config->self, lsmtpd_test_str(key));
  if (pair != NULL && !lsmtpd_t_number(option->type, pair->value.data, &value)) value = 0;
  return value;
}
static inline uint32_t lsmtpd_t_config_count(const lsmtpd_config* config, const char* key) {
  uint32_t count = 0;
  while (lsmtpd_t_value(config, key, count, LSMTPD_T_ITEMS) != NULL) ++count;
  return count;
}
/* A MAP's item is kept as "key=value". */
static inline lsmtpd_str lsmtpd_t_item(const lsmtpd_config* config, const char* key, uint32_t index,
                                       int want_key) {
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, index, LSMTPD_T_ITEMS);
  if (pair == NULL) return lsmtpd_test_str("");
  lsmtpd_str value = lsmtpd_t_str(&pair->value);
  const char* equals = (const char*)memchr(value.data, '=', (size_t)value.size);
  const lsmtpd_option* option = lsmtpd_t_option((lsmtpd_test*)config->self, lsmtpd_test_str(key));
  if (option->type == LSMTPD_TYPE_LIST || equals == NULL)
    return want_key ? lsmtpd_test_str("") : value;
  const uint64_t split = (uint64_t)(equals - value.data);
  if (want_key) {
    value.size = split;
  } else {
    value.data += split + 1;
    value.size -= split + 1;
  }
  return value;
}
static inline lsmtpd_str lsmtpd_t_config_item(const lsmtpd_config* config, const char* key,
                                              uint32_t index) {
  return lsmtpd_t_item(config, key, index, 0);
}
static inline lsmtpd_str lsmtpd_t_config_item_key(const lsmtpd_config* config, const char* key,
                                                  uint32_t index) {
  return lsmtpd_t_item(config, key, index, 1);
}

/* Checks what was given against the table, fills in defaults, then has the plugin validate them. 0:
 * no errors. */
static inline int lsmtpd_t_check_config(lsmtpd_test* t) {
  lsmtpd_config config = {t,
                          lsmtpd_t_config_is_set,
                          lsmtpd_t_config_string,
                          lsmtpd_t_config_integer,
                          lsmtpd_t_config_count,
                          lsmtpd_t_config_item,
                          lsmtpd_t_config_item_key};
  lsmtpd_report report = {t, lsmtpd_t_report_error, lsmtpd_t_report_warning};
  t->config = config;
  t->report = report;
  for (lsmtpd_t_pair* pair = t->given; pair != NULL; pair = pair->next) {
    const lsmtpd_option* option = lsmtpd_t_option(t, lsmtpd_t_str(&pair->key));
    if (option == NULL)
      lsmtpd_t_line(&t->errors, "%s: unknown option", pair->key.data);
    else
      lsmtpd_t_check_option(t, option, pair->value.data);
  }
  lsmtpd_t_free_pairs(t->defaults);
  t->defaults = NULL;
  for (uint32_t i = 0; t->options != NULL && i < t->options->count; ++i) {
    const lsmtpd_option* option = &t->options->options[i];
    const int given = lsmtpd_t_find_pair(t->given, lsmtpd_test_str(option->key)) != NULL;
    if (option->required != 0 && !given) lsmtpd_t_line(&t->errors, "%s: is required", option->key);
    if (!given && option->default_value != NULL) {
      /* The default_value of a LIST is its one item. */
      lsmtpd_t_add_pair(&t->defaults, lsmtpd_test_str(option->key),
                        lsmtpd_test_str(option->default_value));
      if (lsmtpd_t_is_number(option->type)) lsmtpd_t_check_option(t, option, option->default_value);
    }
  }
  if (t->errors.size == 0 && t->options != NULL && t->options->validate != NULL)
    t->options->validate(&t->config, &t->report);
  return t->errors.size == 0 ? 0 : -1;
}

#endif
