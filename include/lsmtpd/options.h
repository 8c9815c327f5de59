// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.options/1" [factory]: the keys allowed under `options`, and their check.
 * The host does the common work: unknown keys, types, ranges, defaults, ${NAME}, and file, line and
 * column in errors.
 */
#ifndef LSMTPD_OPTIONS_H
#define LSMTPD_OPTIONS_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_OPTIONS "lsmtpd.options/1"

/* The forms of a value in the file, and its types in lsmtpd_config. */
#define LSMTPD_TYPE_STRING 1u
#define LSMTPD_TYPE_SECRET 2u /* a string that no log, error or --print shows */
#define LSMTPD_TYPE_BOOL 3u
#define LSMTPD_TYPE_INT 4u
#define LSMTPD_TYPE_SIZE 5u     /* "10MiB"; read as bytes */
#define LSMTPD_TYPE_DURATION 6u /* "30s"; read as milliseconds */
#define LSMTPD_TYPE_ENUM 7u     /* a string, one of `allowed` */
#define LSMTPD_TYPE_PATH 8u     /* a file or directory; relative to the working directory */
#define LSMTPD_TYPE_LIST 9u     /* of strings */
#define LSMTPD_TYPE_MAP 10u     /* of strings to strings */
#define LSMTPD_TYPE_TABLES 11u  /* a list of tables with the keys in `columns`, or one table */

typedef struct lsmtpd_option lsmtpd_option;
struct lsmtpd_option {
  const char* key;
  uint32_t type;                /* LSMTPD_TYPE_... */
  uint32_t required;            /* 1: there is no default */
  const char* default_value;    /* default as it would be written in TOML without quotes ("10MiB",
                            "true"); NULL: unset */
  int64_t minimum;              /* INT, SIZE, DURATION: smallest value allowed */
  int64_t maximum;              /* largest; minimum == maximum == 0: any value */
  const char* allowed;          /* ENUM: the values, separated by spaces; else NULL */
  const char* help;             /* one line, shown by `lsmtpd plugins` */
  const lsmtpd_option* columns; /* TABLES: the keys of one table, none of them TABLES; else NULL */
  uint32_t column_stride;       /* bytes from one column to the next */
  uint32_t column_count;
};

/* The checked options of one plugin entry, defaults filled in; or one table of a list of tables.
 * Strings live as long as the config. Asking for a key that is not in the table, or with the wrong
 * type, gives the empty value. [any]
 */
typedef struct lsmtpd_config lsmtpd_config;
struct lsmtpd_config {
  uint32_t size;     /* bytes of this struct */
  uint32_t reserved; /* 0 */
  void* self;        /* the host's own */
  uint32_t (*is_set)(const lsmtpd_config* config,
                     const char* key); /* 1: written in the file or has a default */
  lsmtpd_str (*string)(const lsmtpd_config* config,
                       const char* key); /* STRING, SECRET, ENUM, PATH; NUL-terminated */
  int64_t (*integer)(const lsmtpd_config* config,
                     const char* key); /* BOOL (0, 1), INT, SIZE, DURATION */
  uint32_t (*count)(const lsmtpd_config* config,
                    const char* key); /* LIST, MAP, TABLES: how many items */
  lsmtpd_str (*item)(const lsmtpd_config* config, const char* key,
                     uint32_t index); /* value of an item */
  lsmtpd_str (*item_key)(const lsmtpd_config* config, const char* key,
                         uint32_t index); /* MAP: its key */
  /* TABLES: table number `index`; lives as long as the config. NULL past the last. */
  const lsmtpd_config* (*table)(const lsmtpd_config* config, const char* key, uint32_t index);
};

/* Takes errors and warnings of a plugin. `key` is the option concerned, or empty; "KEY[2].COLUMN"
 * is a value of the third table of a list of tables. [main] */
typedef struct lsmtpd_report lsmtpd_report;
struct lsmtpd_report {
  void* self; /* the host's own */
  void (*error)(const lsmtpd_report* report, lsmtpd_str key, lsmtpd_str message);
  void (*warning)(const lsmtpd_report* report, lsmtpd_str key, lsmtpd_str message);
};

typedef struct lsmtpd_options_1 {
  const lsmtpd_option* options; /* in the order they are shown */
  uint32_t count;
  uint32_t stride; /* bytes from one option to the next */
  /* [main] Checks rules that the table cannot express: how options depend on each other. No side
   * effects: no file is made, nothing is connected to. May be NULL. Called only when types and
   * ranges are right. */
  void (*validate)(const lsmtpd_config* config, const lsmtpd_report* report);
} lsmtpd_options_1;

#ifdef __cplusplus
}
#endif
#endif
