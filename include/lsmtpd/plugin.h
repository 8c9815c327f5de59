// SPDX-License-Identifier: Apache-2.0
/* The plugin's side: factory, instance, lane.
 *
 * Each `[plugin.NAME]` of the configuration makes one instance [main]: it holds the options, locks,
 * threads and what the workers share. An instance opens one lane a worker; a lane is called on its
 * own loop only, so it needs no locks. Order: create, start, open_lane for each worker, calls,
 * close each lane, stop, destroy.
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

typedef struct lsmtpd_instance lsmtpd_instance;
typedef struct lsmtpd_lane lsmtpd_lane;

/* No function of a factory, instance, lane or extension is NULL where its description does not
 * allow it; the plugin is refused then. `cancel`, and `closed` of LSMTPD_SESSION_FILTER, may be.
 *
 * What `lsmtpd plugins` shows. All strings live as long as the process. */
typedef struct lsmtpd_descriptor {
  uint32_t size;
  uint32_t reserved;
  lsmtpd_str name;        /* "filter_size", the name of the file without .so */
  lsmtpd_str version;     /* "1.0.0" */
  lsmtpd_str vendor;      /* who to ask */
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
  /* [main] Opens what the instance needs. 0 is success; otherwise say why in `report`, and the
   * daemon does not start. */
  int32_t (*start)(const lsmtpd_instance* instance, const lsmtpd_report* report);
  /* [main] After every lane is closed: ends threads, flushes, unlocks. Only after a start() that
   * succeeded. */
  void (*stop)(const lsmtpd_instance* instance);
  /* [main] Frees the instance. */
  void (*destroy)(const lsmtpd_instance* instance);
  /* [main] Tables whose functions take a lane: LSMTPD_FILTER, LSMTPD_SESSION_FILTER,
   * LSMTPD_ADMISSION, LSMTPD_OUTPUT, LSMTPD_REPLAY, LSMTPD_PROBE. NULL where the plugin has none.
   * They live until the instance is destroyed. */
  const void* (*get_extension)(const lsmtpd_instance* instance, const char* id);
  /* [loop] Opens a lane on the loop that calls; `host` is that lane's host and lives until the lane
   * is closed. NULL is failure. */
  const lsmtpd_lane* (*open_lane)(const lsmtpd_instance* instance, const lsmtpd_host* host);
};

struct lsmtpd_lane {
  void* self; /* the plugin's own */
  /* [loop] Asks the lane to end: complete what is open, close connections, stop timers and watches,
   * then call host->lane_closed() exactly once, at once or later. The lane is not called again
   * after that, frees itself, and makes no further use of its host. The host waits for it within
   * the drain deadline, then exits regardless. */
  void (*close)(const lsmtpd_lane* lane);
};

#ifdef __cplusplus
}
#endif
#endif
