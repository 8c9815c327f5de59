// SPDX-License-Identifier: Apache-2.0
/* Fake host: the options and the tables of a list of tables, as the plugin reads them
 * (lsmtpd_config). */
#ifndef LSMTPD_TESTING_SCOPES_H
#define LSMTPD_TESTING_SCOPES_H

#include "numbers.h"
#include "tools.h"

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

static inline void lsmtpd_t_free_scopes(lsmtpd_test* t) {
  while (t->scopes != NULL) {
    lsmtpd_t_scope* next = t->scopes->next;
    free(t->scopes->prefix.data);
    free(t->scopes);
    t->scopes = next;
  }
}

#endif
