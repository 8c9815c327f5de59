// SPDX-License-Identifier: Apache-2.0
// The addresses of the brokers' names, shared by all workers of an instance: one lookup of a name
// is under way at a time and serves whoever asks meanwhile, and an address that failed for one
// worker is not the first that another tries.
//
// find() and failed_last(), and then, for each address that was tried, failed() or works(). A host
// that is an address already is not looked up, so a resolver that does not answer keeps no such
// broker away. [any] unless said otherwise; it outlives the lanes.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "url.hpp"

namespace lsmtpd::sink {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  std::string text() const;  // "127.0.0.1 port 5672"
};

class AddressBook {
 public:
  struct Answer {
    std::string error;               // or empty, and then there is an address
    std::vector<Address> addresses;  // as the resolver has them
  };
  using Done = std::function<void(const Answer&)>;

  // [loop] of `host`. `done` comes later on that loop, at most once: not where the lane is closed
  // before, and not where the lane asks for the same name again.
  void find(const sdk::LaneHost& host, const Url& url, Done done);
  // Returns them with those that failed at the end, the one whose failure is oldest first.
  std::vector<Address> failed_last(std::vector<Address> addresses) const;
  // The address failed at some step: it comes after all others until it works().
  void failed(const Address& address);
  void works(const Address& address);

 private:
  struct Waiter {
    sdk::LaneHost host;
    Done done;
  };
  struct Lookup {
    bool under_way = false;
    std::vector<Waiter> waiters;
    Answer last;
    std::chrono::steady_clock::time_point at{};  // of `last`
  };
  static std::string key(const Url& url) { return url.host + ":" + std::to_string(url.port); }
  void finished(const std::string& key, Answer answer);

  mutable std::mutex mutex_;
  std::map<std::string, Lookup> lookups_;
  std::vector<std::string> failed_;  // the one that failed last comes last
};

}  // namespace lsmtpd::sink
