// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.metrics/1, and what a test reads of it. Include "lsmtpd/testing.h". */
#ifndef LSMTPD_TESTING_METRICS_H
#define LSMTPD_TESTING_METRICS_H

#include "tools.h"

typedef struct lsmtpd_t_metric { /* behind lsmtpd_metric */
  struct lsmtpd_t_metric* next;
  lsmtpd_test* test;
  const void* host; /* each lane has its own value */
  uint32_t type, combine;
  lsmtpd_test_text name; /* "output_held", or "spool_messages state=waiting" */
  double value;          /* of a histogram: the sum */
  uint64_t observed;
  int is_set;
} lsmtpd_t_metric;

static inline int lsmtpd_t_metric_name_ok(lsmtpd_str name) {
  if (name.size == 0 || (name.data[0] >= '0' && name.data[0] <= '9')) return 0;
  for (uint64_t i = 0; i < name.size; ++i) {
    const char c = name.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return 0;
  }
  return 1;
}

static inline lsmtpd_metric* lsmtpd_t_declare(const lsmtpd_host* host,
                                              const lsmtpd_metric_info* info) {
  lsmtpd_t_host* self = (lsmtpd_t_host*)host->self;
  lsmtpd_test* t = self->test;
  if (info == NULL || info->size < sizeof *info || info->type < LSMTPD_METRIC_COUNTER ||
      info->type > LSMTPD_METRIC_HISTOGRAM || !lsmtpd_t_metric_name_ok(info->name) ||
      info->help.size == 0 || info->label_count > LSMTPD_METRIC_LABELS ||
      (info->label_count > 0 &&
       (info->labels == NULL || info->label_stride < sizeof *info->labels)) ||
      info->bound_count > LSMTPD_METRIC_BOUNDS) {
    lsmtpd_t_fail(t, "metrics: declare() with a metric that is not well formed");
    return NULL;
  }
  lsmtpd_t_metric* made = (lsmtpd_t_metric*)lsmtpd_t_alloc(sizeof *made);
  made->test = t;
  made->host = self;
  made->type = info->type;
  made->combine = info->combine;
  lsmtpd_t_append(&made->name, info->name.data, (size_t)info->name.size);
  for (uint32_t i = 0; i < info->label_count; ++i) {
    lsmtpd_t_append(&made->name, " ", 1);
    const lsmtpd_metric_label* label =
        (const lsmtpd_metric_label*)((const char*)info->labels + (size_t)i * info->label_stride);
    lsmtpd_t_append(&made->name, label->name.data, (size_t)label->name.size);
    lsmtpd_t_append(&made->name, "=", 1);
    lsmtpd_t_append(&made->name, label->value.data, (size_t)label->value.size);
  }
  lsmtpd_t_lock(t);
  uint32_t count = 0;
  lsmtpd_t_metric* known = NULL;
  for (lsmtpd_t_metric* each = t->metrics; each != NULL; each = each->next) {
    const int same = strcmp(each->name.data, made->name.data) == 0;
    if (same && each->host == made->host) known = each;
    if (same && each->type != made->type)
      lsmtpd_t_fail(t, "metrics: %s was declared with another type", made->name.data);
    ++count;
  }
  if (known == NULL) {
    made->next = t->metrics;
    t->metrics = made;
  } else {
    free(made->name.data);
    free(made);
  }
  if (count >= LSMTPD_METRIC_SERIES * (1 + t->lane_count))
    lsmtpd_t_fail(t, "metrics: more than %u series", LSMTPD_METRIC_SERIES);
  lsmtpd_t_unlock(t);
  return (lsmtpd_metric*)(known == NULL ? made : known);
}

static inline void lsmtpd_t_metric_change(lsmtpd_metric* raw, uint32_t type, double amount,
                                          int set) {
  lsmtpd_t_metric* metric = (lsmtpd_t_metric*)raw;
  if (metric == NULL) return;
  lsmtpd_t_lock(metric->test);
  if (metric->type != type)
    lsmtpd_t_fail(metric->test, "metrics: %s is of another type", metric->name.data);
  metric->value = set ? amount : metric->value + amount;
  metric->is_set = 1;
  ++metric->observed;
  lsmtpd_t_unlock(metric->test);
}
static inline void lsmtpd_t_metric_count(lsmtpd_metric* metric, uint64_t amount) {
  lsmtpd_t_metric_change(metric, LSMTPD_METRIC_COUNTER, (double)amount, 0);
}
static inline void lsmtpd_t_metric_set(lsmtpd_metric* metric, double value) {
  lsmtpd_t_metric_change(metric, LSMTPD_METRIC_GAUGE, value, 1);
}
static inline void lsmtpd_t_metric_add(lsmtpd_metric* metric, double amount) {
  lsmtpd_t_metric_change(metric, LSMTPD_METRIC_GAUGE, amount, 0);
}
static inline void lsmtpd_t_metric_observe(lsmtpd_metric* metric, double value) {
  lsmtpd_t_metric_change(metric, LSMTPD_METRIC_HISTOGRAM, value, 0);
}

static inline const lsmtpd_metrics_1* lsmtpd_t_metrics_table(void) {
  static const lsmtpd_metrics_1 table = {lsmtpd_t_declare, lsmtpd_t_metric_count,
                                         lsmtpd_t_metric_set, lsmtpd_t_metric_add,
                                         lsmtpd_t_metric_observe};
  return &table;
}

/* The value of a series by its name and labels, "spool_messages state=waiting", of all lanes and
 * the instance together; of a histogram the sum. -1: nobody declared it. */
static inline double lsmtpd_test_metric(lsmtpd_test* t, const char* name) {
  double value = -1;
  int any = 0;
  lsmtpd_t_lock(t);
  for (const lsmtpd_t_metric* each = t->metrics; each != NULL; each = each->next) {
    if (strcmp(each->name.data, name) != 0) continue;
    if (each->combine != LSMTPD_COMBINE_SUM && !each->is_set) continue;
    if (!any)
      value = each->value;
    else if (each->combine == LSMTPD_COMBINE_SUM)
      value += each->value;
    else if ((each->combine == LSMTPD_COMBINE_LEAST) == (each->value < value))
      value = each->value;
    any = 1;
  }
  lsmtpd_t_unlock(t);
  return value;
}

/* Called by lsmtpd_test_free(). */
static inline void lsmtpd_t_free_metrics(lsmtpd_test* t) {
  while (t->metrics != NULL) {
    lsmtpd_t_metric* next = t->metrics->next;
    free(t->metrics->name.data);
    free(t->metrics);
    t->metrics = next;
  }
}

#endif
