// SPDX-License-Identifier: Apache-2.0
// One connection to a policy service: connects when it is asked, has one request under way at a
// time, and stays open between requests. [loop]
#pragma once

#include <sys/socket.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <functional>
#include <string>
#include <vector>

#include "reply_reader.hpp"
#include "route.hpp"
#include "service_address.hpp"

namespace lsmtpd::policy {

class Connection {
 public:
  struct Outcome {
    std::string action;  // the answer, where `error` is empty
    std::string error;
    // The connection was open before this request and was closed before an octet of the answer: the
    // service had ended it, and knows nothing of the request most likely.
    bool stale = false;
  };
  using Done = std::function<void(Outcome)>;

  Connection(const sdk::LaneHost& host, const Service& service, Route& route,
             std::chrono::milliseconds idle);
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `done` comes once, not from inside; or never after close(). Only while it is not busy. Where
  // it has to connect, each address but the last gets its share of `patience`.
  void ask(std::string request, std::chrono::milliseconds patience, Done done);
  // There was no answer in time: closes, and the address is not the first next time.
  void give_up();
  // Ends the connection, and the request under way without a word.
  void close();

  bool busy() const { return static_cast<bool>(done_); }
  bool open() const { return fd_ >= 0; }

 private:
  void find_addresses();
  void connect_next(const std::string& error);
  void connected_to_one();
  void address_failed(const std::string& error);
  void blame_address();
  bool connect_to(const sockaddr* address, socklen_t size, std::string& error);
  void connect_unix();
  void ready(uint32_t events);
  void connected();
  void write();
  void read();
  void answered();
  void fail(const std::string& error);
  void finish(Outcome outcome);

  sdk::LaneHost host_;
  const Service& service_;
  Route& route_;
  const std::chrono::milliseconds idle_;
  Done done_;
  std::string request_;
  size_t written_ = 0;
  ReplyReader reader_;
  int fd_ = -1;
  bool connecting_ = false;
  bool reused_ = false;
  bool proved_ = false;   // the address is known to answer
  uint64_t ends_ms_ = 0;  // of the request's patience
  uint64_t attempt_ = 0;  // callbacks of an earlier one are ignored
  std::vector<sink::Address> addresses_;
  size_t next_address_ = 0;  // after the present one
  sdk::Watch watch_;
  // Until the idle connection is closed, a full UNIX socket is tried again, or an address had its
  // share of the time.
  sdk::Timer timer_;
};

}  // namespace lsmtpd::policy
