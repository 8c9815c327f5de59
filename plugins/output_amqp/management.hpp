// SPDX-License-Identifier: Apache-2.0
// Asks RabbitMQ 4 for the type of queues, over its management by AMQP 1.0: a request and a reply on
// a pair of links with one name, in a session of their own that ends when nothing is asked any
// more.
//
// The lane has one, calls ask() while the connection is open, and hands on what the connection's
// events say of its links (is()). Where there is no answer within `connect_timeout`, or the broker
// refuses, the answer says why the type is not known. connection_lost() drops what is open. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <proton/message.hpp>
#include <string>
#include <string_view>

#include "amqp_connection.hpp"
#include "product.hpp"

namespace lsmtpd::amqp {

class Management {
 public:
  using Done = std::function<void(const QueueFacts&)>;

  Management(sdk::LaneHost host, const Options& options, std::string name, Connection& connection)
      : host_(host), options_(options), name_(std::move(name)), connection_(connection) {}

  // `path` as queue_path() gives it. `done` comes later, at most once, and never from here.
  void ask(const std::string& path, Done done);
  void connection_lost();
  bool has_session() const { return session_ != nullptr; }

  bool is(const pn_session_t* session) const { return session_ == session && session != nullptr; }
  bool is(const pn_link_t* link) const {
    return link != nullptr && (link == sender_ || link == receiver_);
  }
  void closed(std::string_view why);
  // False: it answers nothing that was asked.
  bool message(const proton::message& message);
  // Sends what waits for credit. True: something was sent.
  bool feed();

 private:
  struct Question {
    std::string path;
    Done done;
    bool sent = false;
  };
  bool open();
  void end();
  void answer_all(const std::string& why);

  sdk::LaneHost host_;
  const Options& options_;
  std::string name_;
  Connection& connection_;
  pn_session_t* session_ = nullptr;
  pn_link_t* sender_ = nullptr;
  pn_link_t* receiver_ = nullptr;
  std::map<std::uint64_t, Question> questions_;
  std::uint64_t next_ = 1;
  sdk::Timer timer_;
};

}  // namespace lsmtpd::amqp
