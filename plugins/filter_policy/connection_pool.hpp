// SPDX-License-Identifier: Apache-2.0
// The connections of one lane to a policy service, and the requests that wait for one. [loop]
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy_connection.hpp"

namespace lsmtpd::policy {

class Pool {
 public:
  struct Settings {
    Service service;
    size_t connections = 0;  // at most
    size_t waiting = 0;      // requests without a connection, at most
    std::chrono::milliseconds idle{0};
  };
  // Either the action, or the reason why there is none.
  using Answered = std::function<void(const std::string& action, const std::string& error)>;

  // `book` is common to the lanes of an instance.
  Pool(const sdk::LaneHost& host, const Settings& settings, sink::AddressBook& book);

  // Returns the number of the request. `answered` comes once, not from inside; or never after
  // cancel().
  uint64_t ask(std::string request, std::chrono::milliseconds deadline, Answered answered);
  void cancel(uint64_t number);
  // Drops all requests and closes all connections.
  void close();

  size_t open_connections() const;

 private:
  struct Job {
    std::string request;
    Answered answered;
    sdk::Timer deadline;
    uint64_t ends_ms = 0;
    Connection* connection = nullptr;  // null: it waits for one
    bool retried = false;
  };
  void serve();
  void start(uint64_t number, Job& job, Connection& connection);
  void finished(uint64_t number, Connection::Outcome outcome);
  void overdue(uint64_t number, std::chrono::milliseconds deadline);
  void end(uint64_t number, const std::string& action, const std::string& error);
  Connection* free_connection();
  void forget(std::map<uint64_t, Job>::iterator job);

  sdk::LaneHost host_;
  const Settings& settings_;
  Route route_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::map<uint64_t, Job> jobs_;
  std::deque<uint64_t> waiting_;
  uint64_t next_ = 1;
};

}  // namespace lsmtpd::policy
