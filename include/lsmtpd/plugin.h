// SPDX-License-Identifier: Apache-2.0
/* The plugin's side: factory, instance, lane.
 *
 * Each `[plugin.NAME]` of the configuration makes one instance [main]: it holds the options, locks,
 * threads and state that the workers share. An instance opens one lane a worker; a lane is called
 * on its own loop only, so it needs no locks. Order: create, start, open_lane for each worker,
 * calls, close each lane, stop, destroy.
 *
 * Instances are created, started, stopped and destroyed while others run, and two of one name may
 * be alive at once while the configuration is reloaded: see reload.h for resources that can exist
 * only once.
 */
#ifndef LSMTPD_PLUGIN_H
#define LSMTPD_PLUGIN_H

#include "abi.h"
#include "host.h"
#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_FACTORY "lsmtpd.factory/1"

/* Flag of a descriptor: two started instances of one name cannot be alive at once, because each
 * holds something that exists only once. A reload then needs LSMTPD_RELOAD, or a restart. */
#define LSMTPD_EXCLUSIVE 1u

typedef struct lsmtpd_instance lsmtpd_instance;
typedef struct lsmtpd_lane lsmtpd_lane;

/* No function of a factory, instance, lane or extension is NULL where its description does not
 * allow it; the plugin is refused then. `cancel`, and `ended` and `closed` of
 * LSMTPD_SESSION_FILTER, may be.
 *
 * The description for `lsmtpd plugins`. All strings live as long as the process. */
typedef struct lsmtpd_descriptor {
  uint32_t size;
  uint32_t flags;         /* LSMTPD_EXCLUSIVE or 0 */
  lsmtpd_str name;        /* "filter_size", the name of the file without .so */
  lsmtpd_str version;     /* "1.0.0" */
  lsmtpd_str vendor;      /* author or contact */
  lsmtpd_str description; /* one line */
} lsmtpd_descriptor;

typedef struct lsmtpd_factory_1 {
  const lsmtpd_descriptor* descriptor;
  /* [main] Extensions that need no instance: LSMTPD_OPTIONS, LSMTPD_COMMAND. NULL where there is
   * none.
   */
  const void* (*get_extension)(const char* id);
  /* [main] Makes an instance. `host` and `config` live until it is destroyed. No side effects
   * outside memory: files, sockets and threads belong into start(). NULL is failure. */
  const lsmtpd_instance* (*create)(const lsmtpd_host* host, const lsmtpd_config* config);
} lsmtpd_factory_1;

struct lsmtpd_instance {
  void* self; /* the plugin's own */
  /* [main] Opens files, sockets and threads. 0 is success; otherwise name the error in `report`,
   * and the daemon does not start. */
  int32_t (*start)(const lsmtpd_instance* instance, const lsmtpd_report* report);
  /* [main] After every lane is closed: ends threads, flushes, unlocks. Only after a start() that
   * succeeded. */
  void (*stop)(const lsmtpd_instance* instance);
  /* [main] Frees the instance. */
  void (*destroy)(const lsmtpd_instance* instance);
  /* [main] Tables whose functions take a lane: LSMTPD_FILTER, LSMTPD_SESSION_FILTER,
   * LSMTPD_AUTH, LSMTPD_ADMISSION, LSMTPD_OUTPUT, LSMTPD_REPLAY, LSMTPD_PROBE, LSMTPD_CONTROL; and
   * LSMTPD_RELOAD, whose functions take the instance. NULL where the plugin has none. They live
   * until the instance is destroyed. */
  const void* (*get_extension)(const lsmtpd_instance* instance, const char* id);
  /* [loop] Opens a lane on the loop that calls; `host` is that lane's host and lives until the
   * instance is destroyed. NULL is failure. */
  const lsmtpd_lane* (*open_lane)(const lsmtpd_instance* instance, const lsmtpd_host* host);
};

struct lsmtpd_lane {
  void* self; /* the plugin's own */
  /* [loop] Asks the lane to end: complete its open calls, close connections, stop timers and
   * watches, then call host->lane_closed() exactly once, at once or later. The lane is not called
   * again after that, and frees itself. The host waits `deadline_ms` milliseconds for it, then
   * exits regardless; 0: without an end. */
  void (*close)(const lsmtpd_lane* lane, uint64_t deadline_ms);
};

#ifdef __cplusplus
}
#endif
#endif
