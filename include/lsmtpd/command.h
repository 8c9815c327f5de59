// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.command/1" [factory]: a subcommand of the command line, as `lsmtpd spool` is. It works
 * beside a running daemon: the instance is not created.
 */
#ifndef LSMTPD_COMMAND_H
#define LSMTPD_COMMAND_H

#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_COMMAND "lsmtpd.command/1"

/* The output of a command. [main] */
typedef struct lsmtpd_terminal lsmtpd_terminal;
struct lsmtpd_terminal {
  void* self;                                                      /* the host's own */
  void (*out)(const lsmtpd_terminal* terminal, lsmtpd_str text);   /* standard output, as it is */
  void (*error)(const lsmtpd_terminal* terminal, lsmtpd_str text); /* standard error */
};

typedef struct lsmtpd_command_1 {
  lsmtpd_str name;  /* "spool": `lsmtpd spool ...` */
  lsmtpd_str usage; /* lines of help */
  /* [main] `arguments` are those behind the name. `config` is the entry's. Returns the exit status:
   * 0, 1 (failed) or 2 (wrong usage). */
  int32_t (*run)(const lsmtpd_config* config, const lsmtpd_str* arguments, uint32_t count,
                 const lsmtpd_terminal* terminal);
} lsmtpd_command_1;

#ifdef __cplusplus
}
#endif
#endif
