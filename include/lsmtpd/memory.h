// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.memory/1" [host]: the process's memory budget (limits.memory). A plugin reserves memory
 * for messages beyond a few KiB here first.
 */
#ifndef LSMTPD_MEMORY_H
#define LSMTPD_MEMORY_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_MEMORY "lsmtpd.memory/1"

typedef struct lsmtpd_memory_1 {
  /* [any] 0: `bytes` are reserved until they are released. -1: the budget is used up; wait or
   * answer TEMPFAIL.
   */
  int32_t (*reserve)(const lsmtpd_host* host, uint64_t bytes);
  /* [any] Releases at most the bytes that all lanes of the plugin have reserved; an excess is
   * logged.
   */
  void (*release)(const lsmtpd_host* host, uint64_t bytes);
  /* [any] The whole budget in bytes. */
  uint64_t (*limit)(const lsmtpd_host* host);
} lsmtpd_memory_1;

#ifdef __cplusplus
}
#endif
#endif
