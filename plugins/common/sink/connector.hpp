// SPDX-License-Identifier: Apache-2.0
// Connects a TCP socket to one address, without blocking. start() once for each attempt; the answer
// comes later, exactly once, unless cancel() comes first. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>

#include "address_book.hpp"

namespace lsmtpd::sink {

class Connector {
 public:
  struct Result {
    int fd = -1;        // connected and non-blocking; the receiver's from now on
    std::string error;  // where there is none
  };
  using Done = std::function<void(Result)>;

  explicit Connector(sdk::LaneHost host) : host_(std::move(host)) {}
  ~Connector() { cancel(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  void start(const Address& address, Done done);
  void cancel();

 private:
  void ready();

  sdk::LaneHost host_;
  Done done_;
  sdk::Watch watch_;
  int fd_ = -1;
  std::uint64_t attempt_ = 0;  // an answer of an older one is ignored
};

}  // namespace lsmtpd::sink
