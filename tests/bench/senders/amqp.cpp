// SPDX-License-Identifier: Apache-2.0
// AMQP 1.0 by Proton C++. URL: HOST:PORT.
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/message.hpp>
#include <proton/message_id.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/sender_options.hpp>
#include <proton/symbol.hpp>
#include <proton/target_options.hpp>
#include <proton/tracker.hpp>

#include "bare_sender.hpp"

namespace {

class Sender : public proton::messaging_handler {
 public:
  Sender(const bare_sender::Work& work, bare_sender::Watch& watch)
      : work_(work), watch_(watch), body_(work.body) {
    connection_.sasl_allow_insecure_mechs(true);
    if (!work.user.empty())
      connection_.user(work.user).password(work.password).sasl_allowed_mechs("PLAIN");
  }

  long accepted() const { return accepted_; }

 private:
  void on_container_start(proton::container& container) override {
    container.connect(work_.url, connection_);
  }
  void on_connection_open(proton::connection& connection) override {
    proton::target_options target;
    target.durability_mode(proton::target::CONFIGURATION).capabilities({proton::symbol("queue")});
    sender_ = connection.open_sender(work_.target, proton::sender_options().target(target));
  }
  void on_sendable(proton::sender&) override {
    if (sent_ == 0) watch_.begin();
    send();
  }
  void on_tracker_accept(proton::tracker&) override { ++accepted_; }
  void on_tracker_settle(proton::tracker& tracker) override {
    if (++settled_ < work_.count) return send();
    watch_.end();
    tracker.connection().close();
  }

  void send() {
    for (; sent_ < work_.count && sent_ - settled_ < work_.window && sender_.credit() > 0;
         ++sent_) {
      proton::message message(body_);
      message.inferred(true);
      message.durable(true);
      message.id(bare_sender::message_id(sent_));
      sender_.send(message);
    }
  }

  const bare_sender::Work& work_;
  bare_sender::Watch& watch_;
  proton::connection_options connection_;
  proton::sender sender_;
  proton::binary body_;
  long sent_ = 0, settled_ = 0, accepted_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bare_sender::run(count, arguments, [](const auto& work, auto& watch) {
    Sender sender(work, watch);
    proton::container(sender).run();
    return sender.accepted();
  });
}
