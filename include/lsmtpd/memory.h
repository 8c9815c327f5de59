// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.memory/1" [host]: the process's memory budget (limits.memory). What a plugin holds on
 * behalf of messages beyond a few KiB is reserved here first.
 */
#ifndef LSMTPD_MEMORY_H
#define LSMTPD_MEMORY_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_MEMORY "lsmtpd.memory/1"

typedef struct lsmtpd_memory_1 {
  /* [any] 0: `bytes` are yours until released. -1: the budget is used up; wait or answer TEMPFAIL.
   */
  int32_t (*reserve)(const lsmtpd_host* host, uint64_t bytes);
  /* [any] At most what is reserved by all lanes of the plugin: more is not given back, and logged.
   */
  void (*release)(const lsmtpd_host* host, uint64_t bytes);
} lsmtpd_memory_1;

#ifdef __cplusplus
}
#endif
#endif
