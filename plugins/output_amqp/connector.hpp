// SPDX-License-Identifier: Apache-2.0
// Resolves a broker's name and connects a TCP socket to it, without blocking: one address after the
// other, until one answers. start() once for each attempt; the answer comes later, exactly once,
// unless cancel() comes first. [loop]
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <string>
#include <vector>

#include "url.hpp"

namespace lsmtpd::amqp {

class Connector {
 public:
  struct Result {
    int fd = -1;            // connected and non-blocking; the receiver's from now on
    bool resolved = false;  // the name was found, but nobody answered
    std::string text;       // the peer's address, or what went wrong
  };
  using Done = std::function<void(Result)>;
  using Found = std::function<void(std::string)>;  // the name was resolved to this

  explicit Connector(sdk::LaneHost host) : host_(std::move(host)) {}
  ~Connector() { cancel(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  void start(const Url& url, Found found, Done done);
  void cancel();
  // Which step is under way, for a deadline that passes meanwhile.
  bool resolving() const { return resolving_; }

 private:
  struct Address {
    sockaddr_storage storage;
    socklen_t length;
  };
  void resolved(const sdk::Resolved& result);
  void next();
  void ready();
  void finish(Result result);

  sdk::LaneHost host_;
  Found found_;
  Done done_;
  std::vector<Address> addresses_;
  std::size_t tried_ = 0;
  std::string error_;
  sdk::Watch watch_;
  int fd_ = -1;
  bool resolving_ = false;
  std::uint64_t attempt_ = 0;  // an answer of an older one is ignored
};

}  // namespace lsmtpd::amqp
