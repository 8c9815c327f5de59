// SPDX-License-Identifier: Apache-2.0
/* "lsmtpd.dns/1" [host]: questions to DNS servers (server.resolvers), for lanes. An instance's host
 * does not have it.
 *
 * Nothing is kept between questions: a plugin that asks the same often keeps answers as long as
 * their TTL says. Names are looked up as they are: no search list, no hosts file.
 */
#ifndef LSMTPD_DNS_H
#define LSMTPD_DNS_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSMTPD_DNS "lsmtpd.dns/1"

/* Types of records: the numbers of RFC 1035 3.2.2 and RFC 3596. */
#define LSMTPD_DNS_A 1u
#define LSMTPD_DNS_PTR 12u
#define LSMTPD_DNS_MX 15u
#define LSMTPD_DNS_TXT 16u
#define LSMTPD_DNS_AAAA 28u

/* How a question ended. */
#define LSMTPD_DNS_ANSWERED 1u /* a server answered: see `rcode` */
#define LSMTPD_DNS_TIMEOUT 2u  /* none did in time */
#define LSMTPD_DNS_FAILED 3u   /* no server could be asked, or its answer is malformed */

typedef struct lsmtpd_dns_record {
  uint32_t ttl;        /* seconds */
  uint32_t preference; /* MX; else 0 */
  /* A: 4 octets, AAAA: 16, in network order. TXT: its strings, one behind the other, any octets.
   * MX, PTR: a host name without the final dot, odd octets as \DDD; empty: the root (RFC 7505). */
  lsmtpd_str data;
} lsmtpd_dns_record;

/* Lives during the callback. */
typedef struct lsmtpd_dns_answer {
  uint32_t size;
  uint32_t status; /* LSMTPD_DNS_ANSWERED, _TIMEOUT or _FAILED */
  /* RFC 1035 4.1.1: 0 no error (also where there are no records of the type), 2 SERVFAIL, 3
   * NXDOMAIN, 5 REFUSED; 0 too where nobody answered. */
  uint32_t rcode;
  /* Seconds that the whole answer may be kept: the least of its records and aliases; for "there is
   * none" as RFC 2308 5 says. 0: not at all. */
  uint32_t ttl;
  const lsmtpd_dns_record* records; /* of the type that was asked for */
  uint32_t stride;                  /* bytes from one record to the next */
  uint32_t count;
  lsmtpd_str error; /* the reason, where status is not ANSWERED */
} lsmtpd_dns_answer;

typedef void (*lsmtpd_dns_done)(void* data, const lsmtpd_dns_answer* answer);

typedef struct lsmtpd_dns_1 {
  /* [loop] Asks for the records of one type. `done` comes exactly once [loop], never from inside
   * this function, at the latest after `deadline_ms` milliseconds (0: the resolver's timeout, half
   * a minute); and not after cancel(). An alias (CNAME) is followed. Returns an id; 0 and no
   * `done`: the name is not of letters, digits, - _ / and * in labels (RFC 1035 2.3.4), the type is
   * not one of the five, or 1,000 questions of the instance are under way. */
  uint64_t (*query)(const lsmtpd_host* host, lsmtpd_str name, uint32_t type, uint64_t deadline_ms,
                    lsmtpd_dns_done done, void* data);
  /* [loop] `done` of this question does not come any more, not in this turn either. Nothing happens
   * where it has come. Everything must be answered or cancelled before lane_closed(). */
  void (*cancel)(const lsmtpd_host* host, uint64_t query);
} lsmtpd_dns_1;

#ifdef __cplusplus
}
#endif
#endif
