// SPDX-License-Identifier: Apache-2.0
/* Fake host: lsmtpd.dns/1. Tests say which records there are; nothing touches the network. */
#ifndef LSMTPD_TESTING_DNS_H
#define LSMTPD_TESTING_DNS_H

#include "loop.h"

#include <arpa/inet.h>
#include <strings.h>

/* A name and type with its answer, or with an rcode and no records. The same pair again adds a
 * record. `data`: A and AAAA in octets, so use lsmtpd_test_dns_address() for them. */
static inline lsmtpd_t_dns* lsmtpd_t_new_dns(lsmtpd_test* t, const char* name, uint32_t type,
                                             uint32_t rcode, uint32_t ttl) {
  lsmtpd_t_dns* dns = (lsmtpd_t_dns*)lsmtpd_t_alloc(sizeof *dns);
  dns->name = lsmtpd_t_copy(lsmtpd_test_str(name));
  dns->type = type;
  dns->rcode = rcode;
  dns->ttl = ttl;
  lsmtpd_t_dns** end = &t->dns;
  while (*end != NULL) end = &(*end)->next;
  *end = dns;
  return dns;
}
/* TXT, MX ("10 mx.example.org") and PTR. */
static inline void lsmtpd_test_dns_text(lsmtpd_test* t, const char* name, uint32_t type,
                                        uint32_t ttl, const char* text) {
  lsmtpd_t_dns* dns = lsmtpd_t_new_dns(t, name, type, 0, ttl);
  const char* space = type == LSMTPD_DNS_MX ? strchr(text, ' ') : NULL;
  if (space != NULL) dns->preference = (uint32_t)strtoul(text, NULL, 10);
  dns->data = lsmtpd_t_copy(lsmtpd_test_str(space == NULL ? text : space + 1));
  dns->is_record = 1;
}
/* A for "192.0.2.1", AAAA for "2001:db8::1". */
static inline void lsmtpd_test_dns_address(lsmtpd_test* t, const char* name, uint32_t ttl,
                                           const char* address) {
  unsigned char octets[16];
  const int v6 = strchr(address, ':') != NULL;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, address, octets) != 1) abort();
  lsmtpd_t_dns* dns = lsmtpd_t_new_dns(t, name, v6 ? LSMTPD_DNS_AAAA : LSMTPD_DNS_A, 0, ttl);
  lsmtpd_t_append(&dns->data, (const char*)octets, v6 ? 16 : 4);
  dns->is_record = 1;
}
/* An answer without records: 2 SERVFAIL, 3 NXDOMAIN, ... to every type. A name that the test has
 * not set is NXDOMAIN with a TTL of 60 s. */
static inline void lsmtpd_test_dns_rcode(lsmtpd_test* t, const char* name, uint32_t ttl,
                                         uint32_t rcode) {
  lsmtpd_t_new_dns(t, name, 0, rcode, ttl);
}
/* Forgets every record. */
static inline void lsmtpd_test_dns_clear(lsmtpd_test* t) {
  while (t->dns != NULL) {
    lsmtpd_t_dns* next = t->dns->next;
    free(t->dns->name.data);
    free(t->dns->data.data);
    free(t->dns);
    t->dns = next;
  }
}

/* The daemon's rule. */
static inline int lsmtpd_t_is_domain(lsmtpd_str name) {
  uint64_t label = 0;
  uint64_t size = name.size;
  if (size != 0 && name.data[size - 1] == '.') --size;
  if (size == 0 || size > 253) return 0;
  for (uint64_t i = 0; i < size; ++i) {
    const char c = name.data[i];
    if (c == '.') {
      if (label == 0) return 0;
      label = 0;
      continue;
    }
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '_' || c == '/' || c == '*') ||
        ++label > 63)
      return 0;
  }
  return label != 0;
}
static inline int lsmtpd_t_is_dns_type(uint32_t type) {
  return type == LSMTPD_DNS_A || type == LSMTPD_DNS_AAAA || type == LSMTPD_DNS_MX ||
         type == LSMTPD_DNS_PTR || type == LSMTPD_DNS_TXT;
}

/* A question waits among the timers: its deadline is one. */
static inline void lsmtpd_t_dns_overdue(void* data) {
  lsmtpd_t_task* task = (lsmtpd_t_task*)data;
  lsmtpd_dns_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.size = sizeof answer;
  answer.status = LSMTPD_DNS_TIMEOUT;
  answer.stride = sizeof(lsmtpd_dns_record);
  answer.error = lsmtpd_test_str("no server answered in time");
  task->answered(task->answered_data, &answer);
  free(task->name.data);
}

static inline uint64_t lsmtpd_t_query(const lsmtpd_host* host, lsmtpd_str name, uint32_t type,
                                      uint64_t deadline_ms, lsmtpd_dns_done done, void* data) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "query", 1);
  uint64_t id = 0;
  if (lsmtpd_t_is_domain(name) && lsmtpd_t_is_dns_type(type) && !t->no_query) {
    lsmtpd_t_task* task = lsmtpd_t_new_task(t, host, NULL);
    task->data = task;
    task->run = lsmtpd_t_dns_overdue;
    task->name = lsmtpd_t_copy(name);
    if (task->name.data[task->name.size - 1] == '.') task->name.data[--task->name.size] = '\0';
    task->type = type;
    task->answered = done;
    task->answered_data = data;
    task->due = t->now_ms + (deadline_ms == 0 ? 30000 : deadline_ms);
    id = task->id;
    lsmtpd_t_queue(&t->timers, task);
    ++t->queries;
  }
  lsmtpd_t_unlock(t);
  return id;
}
static inline void lsmtpd_t_cancel_query(const lsmtpd_host* host, uint64_t id) {
  lsmtpd_test* t = lsmtpd_t_use_host(host, "cancel", 1);
  lsmtpd_t_task* task = lsmtpd_t_take(&t->timers, id);
  if (task != NULL) free(task->name.data);
  free(task);
  lsmtpd_t_unlock(t);
}

#define LSMTPD_T_RECORDS 16

static inline void lsmtpd_t_answer_query(lsmtpd_test* t, const lsmtpd_t_task* task) {
  lsmtpd_dns_record records[LSMTPD_T_RECORDS];
  lsmtpd_dns_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.size = sizeof answer;
  answer.status = LSMTPD_DNS_ANSWERED;
  answer.rcode = 3;
  answer.ttl = 60;
  answer.records = records;
  answer.stride = sizeof records[0];
  for (const lsmtpd_t_dns* dns = t->dns; dns != NULL; dns = dns->next) {
    if (strcasecmp(dns->name.data, task->name.data) != 0) continue;
    answer.rcode = dns->rcode;
    if (answer.count == 0) answer.ttl = dns->is_record ? 0 : dns->ttl; /* a zone without a SOA */
    if (!dns->is_record || dns->type != task->type || answer.count == LSMTPD_T_RECORDS) continue;
    if (answer.count == 0 || dns->ttl < answer.ttl) answer.ttl = dns->ttl;
    records[answer.count].ttl = dns->ttl;
    records[answer.count].preference = dns->preference;
    records[answer.count++].data = lsmtpd_t_str(&dns->data);
  }
  task->answered(task->answered_data, &answer);
}
static inline int lsmtpd_t_run_queries(lsmtpd_test* t) {
  int ran = 0;
  while (!t->no_dns) {
    lsmtpd_t_lock(t);
    const lsmtpd_t_task* first = t->timers;
    while (first != NULL && first->answered == NULL) first = first->next;
    lsmtpd_t_task* task = first == NULL ? NULL : lsmtpd_t_take(&t->timers, first->id);
    lsmtpd_t_unlock(t);
    if (task == NULL) break;
    lsmtpd_t_answer_query(t, task);
    free(task->name.data);
    free(task);
    ++ran;
  }
  return ran;
}

static inline const lsmtpd_dns_1* lsmtpd_t_dns_table(void) {
  static const lsmtpd_dns_1 table = {lsmtpd_t_query, lsmtpd_t_cancel_query};
  return &table;
}

#endif
