// SPDX-License-Identifier: Apache-2.0
// Lookups of host names by the system's resolver, which may block for long: on threads of their
// own, which do nothing else.
//
// Each user has a queue: few of its lookups run at a time, and a bounded number waits, so that
// names whose servers do not answer delay those who ask for them and nobody else.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "io/pool.hpp"

namespace lsmtpd::io {

using Addresses = std::vector<sockaddr_storage>;  // in order of preference

// Asks the system's resolver. Blocks. [any]
Result<Addresses> look_up(const std::string& host, uint16_t port);

class Lookups {
 public:
  using Function = std::function<Result<Addresses>(const std::string& host, uint16_t port)>;
  static constexpr uint32_t kMostThreads = 64;
  static constexpr uint32_t kAtOnce = 2;        // of one queue
  static constexpr size_t kMostWaiting = 1000;  // of one queue

  explicit Lookups(Function function = look_up) : function_(std::move(function)) {}

  class Queue {
   public:
    explicit Queue(Lookups& lookups)
        : lookups_(lookups), queue_(lookups.pool_, kAtOnce, kMostWaiting) {}

    // Looks `host` up and calls `found` on `loop`, never from inside. `wanted` is asked on another
    // thread once it is the lookup's turn: false ends it with an error. False: kMostWaiting
    // lookups wait, and `found` will not come. [loop]
    bool ask(Loop& loop, std::string host, uint16_t port, std::function<bool()> wanted,
             std::function<void(Result<Addresses>)> found);

   private:
    Lookups& lookups_;
    Pool::Queue queue_;  // its destructor waits for what runs
  };

 private:
  const Function function_;
  Pool pool_{kMostThreads};
};

}  // namespace lsmtpd::io
