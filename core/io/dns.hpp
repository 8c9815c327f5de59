// SPDX-License-Identifier: Apache-2.0
// Questions to DNS servers, on a loop: c-ares sends them, follows them to TCP, tries again and
// checks who answers. [loop]
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/dns_message.hpp"

namespace lsmtpd::io {

class Loop;

class DnsResolver {
 public:
  using Done = std::function<void(const DnsAnswer&)>;

  // Questions that may be under way at a time: those that were cancelled, or got their answer at
  // their deadline, count until c-ares gives them up. Several resolvers may share one.
  struct Limit {
    explicit Limit(uint32_t at_most) : most(at_most) {}
    const uint32_t most;
    std::atomic<uint32_t> under_way{0};
  };

  // `servers` are ADDRESS:PORT (parse_socket_address()); none: those of the system, read anew when
  // nothing is under way and a minute has passed. `limit` must outlive it. No socket is opened yet.
  DnsResolver(Loop& loop, std::vector<std::string> servers, Limit& limit);
  ~DnsResolver();  // questions under way get no answer
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;

  // `done` comes exactly once, never from inside query(), at the latest after `deadline_ms` (0:
  // c-ares' own timeout, about half a minute); not after cancel(). It may destroy the resolver.
  // A server that fails (SERVFAIL, NOTIMP, REFUSED) is followed by the next one. 0, and `done` is
  // dropped: `name` is no domain name, or `limit` is reached.
  uint64_t query(std::string_view name, DnsType type, uint64_t deadline_ms, Done done);
  void cancel(uint64_t query);  // one that is answered already is ignored
  size_t open() const;          // how many wait for their `done`

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace lsmtpd::io
