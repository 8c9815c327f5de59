// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.reload/1" [instance]: new options for an instance that goes on.
 *
 * When the configuration is reloaded, a changed [plugin.NAME] gets a second instance beside
 * the first, and the first ends when its last session has. A plugin whose descriptor says
 * LSMTPD_EXCLUSIVE cannot be started twice: it offers this extension, and its instance takes the
 * new options. Without it the changed options are named as needing a restart.
 */
#ifndef LSMTPD_RELOAD_H
#define LSMTPD_RELOAD_H

#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_RELOAD "lsmtpd.reload/1"

/* All functions: [main], while the instance's lanes are called on their loops. Each prepare() that
 * returned 0 is followed by one commit() or one abort(). */
typedef struct lsmtpd_reload_1 {
  /* Prepares everything that may fail, and changes nothing that lanes see. 0 is success;
   * otherwise say why in `report`, and the reload does not happen: an option that cannot change
   * while the instance runs is an error with its key. `config` lives until abort(), or, after
   * commit(), as the instance's config: until the next commit() has returned or the instance is
   * destroyed. */
  int32_t (*prepare)(const lsmtpd_instance* instance, const lsmtpd_config* config,
                     const lsmtpd_report* report);
  /* The new options count from now on. Cannot fail. The config before it is gone when this returns.
   */
  void (*commit)(const lsmtpd_instance* instance);
  /* Drops the prepared options. */
  void (*abort)(const lsmtpd_instance* instance);
} lsmtpd_reload_1;

#ifdef __cplusplus
}
#endif
#endif
