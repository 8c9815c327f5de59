// SPDX-License-Identifier: Apache-2.0
/* Fake host: its structs. Include "lsmtpd/testing.h". Names with lsmtpd_t_ are
 * internal. */
#ifndef LSMTPD_TESTING_BASE_H
#define LSMTPD_TESTING_BASE_H

/* It needs POSIX, which a strict -std=c11 hides: include this header first, or define this for the
 * whole file. */
#if !defined(__cplusplus) && !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE) && \
    !defined(_DEFAULT_SOURCE)
#ifdef _FEATURES_H /* a header of the C library came before, without POSIX */
#error \
    "include <lsmtpd/testing.h> before all other headers, or compile with -D_POSIX_C_SOURCE=200809L"
#endif
#define _POSIX_C_SOURCE 200809L
#endif

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lsmtpd.h"

typedef struct lsmtpd_test lsmtpd_test;
typedef struct lsmtpd_test_mail lsmtpd_test_mail;

/* Bytes of our own, always followed by a NUL. */
typedef struct lsmtpd_test_text {
  char* data;
  size_t size;
} lsmtpd_test_text;

typedef struct lsmtpd_t_pair {
  struct lsmtpd_t_pair* next;
  lsmtpd_test_text key, value;
} lsmtpd_t_pair;

typedef struct lsmtpd_t_header_edit {
  struct lsmtpd_t_header_edit* next;
  uint64_t index;
  int insert; /* else change, and remove where `field` is empty */
  lsmtpd_test_text field;
} lsmtpd_t_header_edit;

/* The options, or one table of a list of tables. */
typedef struct lsmtpd_t_scope { /* behind lsmtpd_config::self */
  struct lsmtpd_t_scope* next;
  lsmtpd_test* test;
  const lsmtpd_option* options;
  uint32_t stride, count;
  lsmtpd_test_text prefix; /* of its keys: "KEY[2]."; empty: the options */
  lsmtpd_config raw;
} lsmtpd_t_scope;

/* The answer to a call. Lives until lsmtpd_test_free(). */
typedef struct lsmtpd_test_verdict {
  uint32_t kind; /* LSMTPD_CONTINUE ...; 0: not answered yet */
  uint32_t code, flags;
  const char *enhanced, *text, *detail; /* never NULL */
  /* Of listed(): separated by newlines; " in doubt" and " expired" behind those that are. */
  const char* copy_ids;
  uint32_t end;                                 /* of listed() */
  uint64_t waiting;                             /* of listed() */
  uint64_t count;                               /* of counted() */
  lsmtpd_test_mail* mail;                       /* of loaded() */
  const char *target, *reason;                  /* of loaded(); never NULL */
  uint32_t attempts, in_doubt;                  /* of loaded() */
  uint32_t recipient_count;                     /* of complete_recipients(): how many */
  const struct lsmtpd_test_verdict* recipients; /* and what for each; else NULL. `kind` above is the
                                                   worst of them */
} lsmtpd_test_verdict;

typedef struct lsmtpd_t_host { /* behind lsmtpd_host::self */
  struct lsmtpd_t_host* next;
  lsmtpd_host raw;
  lsmtpd_test* test;
  const lsmtpd_lane* lane; /* NULL: the instance's host */
  int is_lane, closed;
} lsmtpd_t_host;

typedef struct lsmtpd_t_call {
  lsmtpd_call id;
  lsmtpd_t_host* host;
  lsmtpd_test_mail* mail;    /* may be NULL */
  uint32_t kinds;            /* answers that make sense: 1 << kind */
  int answered, in_function; /* the plugin's function has not returned yet */
  lsmtpd_test_verdict verdict;
  lsmtpd_test_verdict* recipients;
  lsmtpd_test_text words[3]; /* enhanced, text, detail */
  lsmtpd_test_text copy_ids, target, reason;
  lsmtpd_delivery delivery; /* what deliver(), decide() and message() point to */
  lsmtpd_test_text copy_id, for_target, for_reason;
  lsmtpd_session_event event;
  lsmtpd_filter_event filter;
  lsmtpd_probe_report probe;
  lsmtpd_credentials credentials;
  lsmtpd_test_text given_user, given_password;
} lsmtpd_t_call;

/* A message. Tests may set the envelope's fields before it is used: mail->envelope.helo =
 * lsmtpd_test_str("x"). */
struct lsmtpd_test_mail {
  lsmtpd_test_mail* next;
  lsmtpd_test* test;
  lsmtpd_envelope envelope;
  lsmtpd_recipient* recipients;
  lsmtpd_test_text words[32]; /* what the envelope points to, where it was copied */
  size_t word_count;
  lsmtpd_tls tls; /* for the envelope to point to */
  lsmtpd_auth auth;
  lsmtpd_test_text content;
  int spilled;        /* peek() is empty, read() must not be called on the loop */
  int64_t references; /* the plugin's: pins, and the open call */
  int open;           /* the call is open: edits are allowed */
  int edited;         /* edits that stand, because the call was answered with CONTINUE */
  lsmtpd_t_pair *annotations, *annotation_edits, *added;
  uint64_t* removed;
  size_t removed_count;
  lsmtpd_test_text prepended, body, reverse_path;
  int body_committed, reverse_path_set;
  lsmtpd_header_field* fields; /* once they were counted */
  int64_t field_count;         /* -1: not counted yet */
  lsmtpd_t_header_edit* header_edits;
  uint32_t made_by_plugin;
  uint64_t session; /* not a message: it holds the annotations of this session */
};

/* A record that lsmtpd.dns/1 finds, or an rcode without one. */
typedef struct lsmtpd_t_dns {
  struct lsmtpd_t_dns* next;
  lsmtpd_test_text name, data;
  uint32_t type, rcode, ttl, preference;
  int is_record;
} lsmtpd_t_dns;

typedef struct lsmtpd_t_task { /* posted, deferred, offloaded, resolving, a timer or a watch */
  struct lsmtpd_t_task* next;
  lsmtpd_t_host* host;
  uint64_t id, due;
  int fd, threaded;
  uint32_t events, port, type;
  lsmtpd_task run, done;
  lsmtpd_dns_done answered; /* a question: among the timers */
  void* answered_data;
  lsmtpd_fd_ready ready;
  lsmtpd_resolved resolved;
  lsmtpd_test_text name;
  pthread_t thread;
  void* data;
} lsmtpd_t_task;

#define LSMTPD_TEST_OFFLOAD_TURN 0   /* work runs inside the next turn, on the caller's thread */
#define LSMTPD_TEST_OFFLOAD_THREAD 1 /* each work gets a thread */
#define LSMTPD_TEST_OFFLOAD_HELD 2   /* work waits until this is changed */

struct lsmtpd_test {
  pthread_mutex_t mutex;
  pthread_t loop_thread;
  int wake[2], in_work, in_close, real_time, loaded;
  uint64_t now_ms, real_base_ms, next_id;
  void* object; /* of dlopen */
  const lsmtpd_entry_1* entry;
  const lsmtpd_factory_1* factory;
  const lsmtpd_instance* instance;
  const lsmtpd_options_1* options;
  lsmtpd_t_scope* scopes; /* the options' own is the last */
  lsmtpd_config config;
  lsmtpd_report report;
  lsmtpd_t_pair* given;    /* options as given */
  lsmtpd_t_pair* defaults; /* options as filled in */
  int started;
  lsmtpd_t_host *hosts, *lane; /* all; the lane that asking functions use */
  uint32_t lane_count, mail_count;
  lsmtpd_t_call** calls;
  size_t call_count;
  lsmtpd_test_mail* mails;
  void** kept; /* memory that goes with lsmtpd_test_free() */
  size_t kept_count;
  lsmtpd_t_task *posted, *deferred, *offloaded, *finished, *resolving, *timers, *watches;
  lsmtpd_t_dns* dns;
  int64_t memory_used;
  struct lsmtpd_t_metric* metrics; /* of lsmtpd.metrics/1: see lsmtpd_test_metric() */
  lsmtpd_test_text failures, errors, warnings, log, terminal, steps;
  /* For tests to set. */
  const char *name, *hostname; /* of the host; before lsmtpd_test_start() */
  uint32_t workers, log_level; /* lines below the level are not "enabled" */
  int offload;                 /* LSMTPD_TEST_OFFLOAD_... */
  int deadline_ms;             /* how long waiting functions wait, of real time: 5000 */
  /* Faults, for tests to set. */
  int64_t memory_limit;                        /* bytes of lsmtpd.memory/1; -1: no limit */
  int64_t reads_to_fail;                       /* that many read() fail from now on; -1: all */
  int64_t edits_to_fail;                       /* set, add_recipient, ...: likewise */
  int no_offload, no_timer, no_watch, no_post; /* these functions fail */
  int too_many_watches;                        /* internal: told once */
  int no_resolve;                              /* lookups get no answer while this is set */
  int no_dns;            /* questions get no answer while this is set, but their deadline's */
  int no_query;          /* query() fails */
  uint32_t queries;      /* how many were asked so far */
  const char* addresses; /* of each name but "localhost": numeric, a space between them */
};

#endif
