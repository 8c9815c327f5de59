// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.log/1" [host]: the daemon's log. */
#ifndef LSMTPD_LOG_H
#define LSMTPD_LOG_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_LOG "lsmtpd.log/1"

#define LSMTPD_LOG_DEBUG 1u
#define LSMTPD_LOG_INFO 2u
#define LSMTPD_LOG_WARN 3u
#define LSMTPD_LOG_ERROR 4u

typedef struct lsmtpd_log_field {
  lsmtpd_str key;
  lsmtpd_str value; /* from anywhere: the host escapes it */
} lsmtpd_log_field;

typedef struct lsmtpd_log_1 {
  /* [any] 1: lines of this level are written. Ask first if a line is expensive to make. */
  uint32_t (*enabled)(const lsmtpd_host* host, uint32_t level);
  /* [any] One line; the plugin's name is added. Never blocks. `message` is fixed text, values go
   * into fields; those after the 32nd are left out. */
  void (*write)(const lsmtpd_host* host, uint32_t level, lsmtpd_str message,
                const lsmtpd_log_field* fields, uint32_t stride, uint32_t count);
} lsmtpd_log_1;

#ifdef __cplusplus
}
#endif
#endif
