// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.metrics/1" [host]: counters, gauges and histograms of a plugin, as Prometheus has them.
 *
 * A series is declared once, at create() or open_lane(), and exists from then on; whoever declares
 * it again, another lane or the same plugin after a reload, counts on. Its full name is "lsmtpd_"
 * and `name`, and its first label is plugin="NAME" of [plugin.NAME]. Label values come from the
 * configuration or from a list in the code, never from peers or messages.
 */
#ifndef LSMTPD_METRICS_H
#define LSMTPD_METRICS_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_METRICS "lsmtpd.metrics/1"

#define LSMTPD_METRIC_COUNTER 1u   /* only grows; its name ends in _total */
#define LSMTPD_METRIC_GAUGE 2u     /* goes up and down */
#define LSMTPD_METRIC_HISTOGRAM 3u /* counts values by size */

/* The value of a gauge that several lanes set. */
#define LSMTPD_COMBINE_SUM 0u
#define LSMTPD_COMBINE_LEAST 1u
#define LSMTPD_COMBINE_MOST 2u

/* How many series an instance may have, how many labels a series, and how many bounds. */
#define LSMTPD_METRIC_SERIES 100u
#define LSMTPD_METRIC_LABELS 4u
#define LSMTPD_METRIC_BOUNDS 32u

typedef struct lsmtpd_metric lsmtpd_metric; /* the host's own */

typedef struct lsmtpd_metric_label {
  lsmtpd_str name;  /* small letters, digits and _; not "plugin" */
  lsmtpd_str value; /* UTF-8 */
} lsmtpd_metric_label;

typedef struct lsmtpd_metric_info {
  uint32_t size;        /* sizeof(lsmtpd_metric_info) */
  uint32_t type;        /* LSMTPD_METRIC_COUNTER ... */
  uint32_t combine;     /* of a gauge: LSMTPD_COMBINE_SUM ...; else 0 */
  uint32_t label_count; /* at most LSMTPD_METRIC_LABELS */
  lsmtpd_str name; /* "output_credit": small letters, digits and _; with its unit: "_seconds" */
  lsmtpd_str help; /* one sentence */
  const lsmtpd_metric_label* labels; /* may be NULL when label_count is 0 */
  const double* bounds; /* of a histogram: upper bounds of its buckets, ascending, without infinity;
                           else NULL */
  uint32_t bound_count; /* at most LSMTPD_METRIC_BOUNDS */
  uint32_t label_stride; /* sizeof(lsmtpd_metric_label) */
} lsmtpd_metric_info;

typedef struct lsmtpd_metrics_1 {
  /* [any] Allocates: not on a message's way. NULL, and an error in the log: it is not well formed,
   * it is too many, or the name is taken by a metric of another shape. Lives as long as the
   * instance; a lane's host and the instance's host give series that are added up. */
  lsmtpd_metric* (*declare)(const lsmtpd_host* host, const lsmtpd_metric_info* info);
  /* [any] None of these blocks or allocates; with NULL, or for another type of metric, they do
   * nothing. */
  void (*count)(lsmtpd_metric* counter, uint64_t amount);
  void (*set)(lsmtpd_metric* gauge, double value);
  void (*add)(lsmtpd_metric* gauge, double amount); /* not where it combines LEAST or MOST */
  void (*observe)(lsmtpd_metric* histogram, double value);
} lsmtpd_metrics_1;

#ifdef __cplusplus
}
#endif
#endif
