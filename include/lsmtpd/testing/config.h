// SPDX-License-Identifier: Apache-2.0
/* Fake host: options by the plugin's table, as the daemon checks them: unknown keys, types, ranges,
 * defaults. */
#ifndef LSMTPD_TESTING_CONFIG_H
#define LSMTPD_TESTING_CONFIG_H

#include "base.h"

/* Row number `index` of an option table. A plugin with older headers has shorter rows: missing
 * members are 0. */
static inline lsmtpd_option lsmtpd_t_row(const lsmtpd_option* options, uint32_t stride,
                                         uint32_t index) {
  lsmtpd_option row;
  memset(&row, 0, sizeof row);
  memcpy(&row, (const char*)options + (size_t)index * stride,
         stride < sizeof row ? stride : sizeof row);
  return row;
}
/* 1 and the row with this key, or 0. */
static inline int lsmtpd_t_find_option(const lsmtpd_t_scope* scope, lsmtpd_str key,
                                       lsmtpd_option* row) {
  for (uint32_t i = 0; i < scope->count; ++i) {
    *row = lsmtpd_t_row(scope->options, scope->stride, i);
    if (lsmtpd_t_same(key, row->key)) return 1;
  }
  return 0;
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
                                         const char* key, const char* value) {
  int64_t number = 0;
  if (option->type == LSMTPD_TYPE_TABLES)
    lsmtpd_t_line(&t->errors, "%s: a list of tables is given as %s[0].COLUMN", key, key);
  if (option->type == LSMTPD_TYPE_ENUM && !lsmtpd_t_is_allowed(option->allowed, value))
    lsmtpd_t_line(&t->errors, "%s: one of: %s", key, option->allowed);
  if (!lsmtpd_t_is_number(option->type)) return;
  if (!lsmtpd_t_number(option->type, value, &number))
    lsmtpd_t_line(&t->errors, "%s: \"%s\" has the wrong type", key, value);
  else if ((option->minimum != 0 || option->maximum != 0) &&
           (number < option->minimum || number > option->maximum))
    lsmtpd_t_line(&t->errors, "%s: %lld is not between %lld and %lld", key, (long long)number,
                  (long long)option->minimum, (long long)option->maximum);
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

static inline lsmtpd_t_scope* lsmtpd_t_scope_of(const lsmtpd_config* config) {
  return (lsmtpd_t_scope*)config->self;
}
/* 1: the pair is of this key of the scope. */
static inline int lsmtpd_t_is_key(const lsmtpd_t_scope* scope, const lsmtpd_t_pair* pair,
                                  const char* key) {
  const size_t prefix = scope->prefix.size;
  return pair->key.size == prefix + strlen(key) &&
         memcmp(pair->key.data, scope->prefix.data, prefix) == 0 &&
         strcmp(pair->key.data + prefix, key) == 0;
}
static inline const lsmtpd_t_pair* lsmtpd_t_pair_at(const lsmtpd_t_scope* scope,
                                                    const lsmtpd_t_pair* list, const char* key,
                                                    uint32_t index, uint32_t* seen) {
  for (; list != NULL; list = list->next)
    if (lsmtpd_t_is_key(scope, list, key) && (*seen)++ == index) return list;
  return NULL;
}

/* Value number `index` of a key, or NULL; `types` is the set of types (1 << type) that the caller
 * may read so. */
static inline const lsmtpd_t_pair* lsmtpd_t_value(const lsmtpd_config* config, const char* key,
                                                  uint32_t index, uint32_t types,
                                                  lsmtpd_option* option) {
  const lsmtpd_t_scope* scope = lsmtpd_t_scope_of(config);
  lsmtpd_test* t = scope->test;
  if (!lsmtpd_t_find_option(scope, lsmtpd_test_str(key), option) ||
      (types >> option->type & 1u) == 0) {
    lsmtpd_t_lock(t);
    lsmtpd_t_fail(t, "config: \"%s\" is not in the option table, or has another type", key);
    lsmtpd_t_unlock(t);
    return NULL;
  }
  uint32_t seen = 0;
  const lsmtpd_t_pair* pair = lsmtpd_t_pair_at(scope, t->given, key, index, &seen);
  if (seen == 0) pair = lsmtpd_t_pair_at(scope, t->defaults, key, index, &seen);
  return pair;
}

#define LSMTPD_T_TEXTS                                                            \
  (1u << LSMTPD_TYPE_STRING | 1u << LSMTPD_TYPE_SECRET | 1u << LSMTPD_TYPE_ENUM | \
   1u << LSMTPD_TYPE_PATH)
#define LSMTPD_T_NUMBERS                                                     \
  (1u << LSMTPD_TYPE_BOOL | 1u << LSMTPD_TYPE_INT | 1u << LSMTPD_TYPE_SIZE | \
   1u << LSMTPD_TYPE_DURATION)
#define LSMTPD_T_ITEMS (1u << LSMTPD_TYPE_LIST | 1u << LSMTPD_TYPE_MAP)
#define LSMTPD_T_TABLES (1u << LSMTPD_TYPE_TABLES)

/* How many tables "KEY[0].COLUMN" ... were given. */
static inline uint32_t lsmtpd_t_table_count(const lsmtpd_t_scope* scope, const char* key) {
  uint32_t count = 0;
  const size_t size = strlen(key);
  for (const lsmtpd_t_pair* pair = scope->test->given; pair != NULL; pair = pair->next) {
    const char* at = pair->key.data;
    if (strncmp(at, key, size) != 0 || at[size] != '[') continue;
    const uint32_t number = (uint32_t)strtoul(at + size + 1, NULL, 10);
    if (number >= count) count = number + 1;
  }
  return count;
}

static inline uint32_t lsmtpd_t_config_is_set(const lsmtpd_config* config, const char* key) {
  lsmtpd_option option;
  const lsmtpd_t_pair* pair =
      lsmtpd_t_value(config, key, 0,
                     LSMTPD_T_TEXTS | LSMTPD_T_NUMBERS | LSMTPD_T_ITEMS | LSMTPD_T_TABLES, &option);
  return pair != NULL || (option.type == LSMTPD_TYPE_TABLES &&
                          lsmtpd_t_table_count(lsmtpd_t_scope_of(config), key) != 0);
}
static inline lsmtpd_str lsmtpd_t_config_string(const lsmtpd_config* config, const char* key) {
  lsmtpd_option option;
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, 0, LSMTPD_T_TEXTS, &option);
  return pair == NULL ? lsmtpd_test_str("") : lsmtpd_t_str(&pair->value);
}
static inline int64_t lsmtpd_t_config_integer(const lsmtpd_config* config, const char* key) {
  lsmtpd_option option;
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, 0, LSMTPD_T_NUMBERS, &option);
  int64_t value = 0;
  if (pair != NULL && !lsmtpd_t_number(option.type, pair->value.data, &value)) value = 0;
  return value;
}
static inline uint32_t lsmtpd_t_config_count(const lsmtpd_config* config, const char* key) {
  uint32_t count = 0;
  lsmtpd_option option;
  while (lsmtpd_t_value(config, key, count, LSMTPD_T_ITEMS | LSMTPD_T_TABLES, &option) != NULL)
    ++count;
  return option.type == LSMTPD_TYPE_TABLES ? lsmtpd_t_table_count(lsmtpd_t_scope_of(config), key)
                                           : count;
}
/* A MAP's item is kept as "key=value". */
static inline lsmtpd_str lsmtpd_t_item(const lsmtpd_config* config, const char* key, uint32_t index,
                                       int want_key) {
  lsmtpd_option option;
  const lsmtpd_t_pair* pair = lsmtpd_t_value(config, key, index, LSMTPD_T_ITEMS, &option);
  if (pair == NULL) return lsmtpd_test_str("");
  lsmtpd_str value = lsmtpd_t_str(&pair->value);
  const char* equals = (const char*)memchr(value.data, '=', (size_t)value.size);
  if (option.type == LSMTPD_TYPE_LIST || equals == NULL)
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
static inline const lsmtpd_config* lsmtpd_t_config_table(const lsmtpd_config* config,
                                                         const char* key, uint32_t index);

static inline lsmtpd_t_scope* lsmtpd_t_new_scope(lsmtpd_test* t, const char* prefix,
                                                 const lsmtpd_option* options, uint32_t stride,
                                                 uint32_t count) {
  lsmtpd_t_scope* scope = (lsmtpd_t_scope*)lsmtpd_t_alloc(sizeof *scope);
  const lsmtpd_config raw = {sizeof raw,
                             0,
                             scope,
                             lsmtpd_t_config_is_set,
                             lsmtpd_t_config_string,
                             lsmtpd_t_config_integer,
                             lsmtpd_t_config_count,
                             lsmtpd_t_config_item,
                             lsmtpd_t_config_item_key,
                             lsmtpd_t_config_table};
  scope->test = t;
  scope->options = options;
  scope->stride = stride;
  scope->count = count;
  scope->prefix = lsmtpd_t_copy(lsmtpd_test_str(prefix));
  scope->raw = raw;
  scope->next = t->scopes;
  t->scopes = scope;
  return scope;
}
static inline lsmtpd_t_scope* lsmtpd_t_table_scope(lsmtpd_test* t, const lsmtpd_option* option,
                                                   uint32_t index) {
  char prefix[128];
  snprintf(prefix, sizeof prefix, "%s[%u].", option->key, index);
  for (lsmtpd_t_scope* scope = t->scopes; scope != NULL; scope = scope->next)
    if (strcmp(scope->prefix.data, prefix) == 0) return scope;
  return lsmtpd_t_new_scope(t, prefix, option->columns, option->column_stride,
                            option->column_count);
}
static inline const lsmtpd_config* lsmtpd_t_config_table(const lsmtpd_config* config,
                                                         const char* key, uint32_t index) {
  lsmtpd_option option;
  const lsmtpd_t_scope* scope = lsmtpd_t_scope_of(config);
  lsmtpd_t_value(config, key, 0, LSMTPD_T_TABLES, &option);
  if (option.type != LSMTPD_TYPE_TABLES || index >= lsmtpd_t_table_count(scope, key)) return NULL;
  return &lsmtpd_t_table_scope(scope->test, &option, index)->raw;
}

static inline void lsmtpd_t_take_defaults(lsmtpd_t_scope* scope) {
  lsmtpd_test* t = scope->test;
  for (uint32_t i = 0; i < scope->count; ++i) {
    const lsmtpd_option option = lsmtpd_t_row(scope->options, scope->stride, i);
    const uint32_t tables =
        option.type == LSMTPD_TYPE_TABLES ? lsmtpd_t_table_count(scope, option.key) : 0;
    uint32_t seen = 0;
    lsmtpd_t_pair_at(scope, t->given, option.key, 0, &seen);
    lsmtpd_test_text key = lsmtpd_t_copy(lsmtpd_t_str(&scope->prefix));
    lsmtpd_t_append(&key, option.key, strlen(option.key));
    if (option.required != 0 && seen == 0 && tables == 0)
      lsmtpd_t_line(&t->errors, "%s: is required", key.data);
    if (seen == 0 && option.default_value != NULL) {
      /* The default_value of a LIST is its one item. */
      lsmtpd_t_add_pair(&t->defaults, lsmtpd_t_str(&key), lsmtpd_test_str(option.default_value));
      if (lsmtpd_t_is_number(option.type))
        lsmtpd_t_check_option(t, &option, key.data, option.default_value);
    }
    free(key.data);
    for (uint32_t table = 0; table < tables; ++table)
      lsmtpd_t_take_defaults(lsmtpd_t_table_scope(t, &option, table));
  }
}

/* Checks one pair that was given: "KEY", or "KEY[0].COLUMN". */
static inline void lsmtpd_t_check_given(lsmtpd_t_scope* root, const lsmtpd_t_pair* pair) {
  lsmtpd_test* t = root->test;
  lsmtpd_option option;
  lsmtpd_str key = lsmtpd_t_str(&pair->key);
  const char* bracket = strchr(pair->key.data, '[');
  const char* dot = strchr(pair->key.data, '.');
  int known = 0;
  if (bracket != NULL && dot != NULL && bracket < dot) {
    key.size = (uint64_t)(bracket - key.data);
    if (lsmtpd_t_find_option(root, key, &option) && option.type == LSMTPD_TYPE_TABLES)
      known = lsmtpd_t_find_option(
          lsmtpd_t_table_scope(t, &option, (uint32_t)strtoul(bracket + 1, NULL, 10)),
          lsmtpd_test_str(dot + 1), &option);
  } else {
    known = lsmtpd_t_find_option(root, key, &option);
  }
  if (known)
    lsmtpd_t_check_option(t, &option, pair->key.data, pair->value.data);
  else
    lsmtpd_t_line(&t->errors, "%s: unknown option", pair->key.data);
}

static inline void lsmtpd_t_free_scopes(lsmtpd_test* t) {
  while (t->scopes != NULL) {
    lsmtpd_t_scope* next = t->scopes->next;
    free(t->scopes->prefix.data);
    free(t->scopes);
    t->scopes = next;
  }
}

/* Checks the given options against the table, fills in defaults, then has the plugin validate them.
 * 0: no errors. */
static inline int lsmtpd_t_check_config(lsmtpd_test* t) {
  const lsmtpd_report report = {t, lsmtpd_t_report_error, lsmtpd_t_report_warning};
  lsmtpd_t_free_scopes(t);
  lsmtpd_t_scope* root = lsmtpd_t_new_scope(t, "", t->options == NULL ? NULL : t->options->options,
                                            t->options == NULL ? 0 : t->options->stride,
                                            t->options == NULL ? 0 : t->options->count);
  t->config = root->raw;
  t->report = report;
  for (lsmtpd_t_pair* pair = t->given; pair != NULL; pair = pair->next)
    lsmtpd_t_check_given(root, pair);
  lsmtpd_t_free_pairs(t->defaults);
  t->defaults = NULL;
  lsmtpd_t_take_defaults(root);
  if (t->errors.size == 0 && t->options != NULL && t->options->validate != NULL)
    t->options->validate(&t->config, &t->report);
  return t->errors.size == 0 ? 0 : -1;
}

#endif
