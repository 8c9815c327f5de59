// SPDX-License-Identifier: Apache-2.0
/* Fake host: checks options by the plugin's table, as the daemon does: unknown keys, types, ranges,
 * defaults. */
#ifndef LSMTPD_TESTING_CONFIG_H
#define LSMTPD_TESTING_CONFIG_H

#include "scopes.h"

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
