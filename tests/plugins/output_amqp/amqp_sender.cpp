// SPDX-License-Identifier: Apache-2.0
// A bare Proton C++ sender, for comparison: what AMQP alone costs on this machine with this broker.
// It sends COUNT durable messages of SIZE bytes as fast as the broker's credit allows, waits for
// each outcome, and prints one line.
//
//   amqp_sender URL ADDRESS COUNT SIZE [USER PASSWORD [VIRTUAL_HOST]]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
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
#include <string>

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Sender : public proton::messaging_handler {
 public:
  Sender(char** arguments, int count)
      : url_(arguments[1]), address_(arguments[2]), count_(std::atol(arguments[3])) {
    body_ = proton::binary(std::string(static_cast<std::size_t>(std::atol(arguments[4])), 'x'));
    connection_.sasl_allow_insecure_mechs(true);
    if (count > 6)
      connection_.user(arguments[5]).password(arguments[6]).sasl_allowed_mechs("PLAIN");
    if (count > 7) connection_.virtual_host(arguments[7]);
  }

  long settled() const { return settled_; }
  long accepted() const { return accepted_; }
  double seconds() const { return std::chrono::duration<double>(end_ - start_).count(); }

 private:
  void on_container_start(proton::container& container) override {
    container.connect(url_, connection_);
  }
  void on_connection_open(proton::connection& connection) override {
    proton::target_options target;
    target.durability_mode(proton::target::CONFIGURATION).capabilities({proton::symbol("queue")});
    connection.open_sender(address_, proton::sender_options().target(target));
  }
  void on_sendable(proton::sender& sender) override {
    if (sent_ == 0) start_ = std::chrono::steady_clock::now();
    for (; sent_ < count_ && sender.credit() > 0; ++sent_) {
      proton::message message(body_);
      message.inferred(true);
      message.durable(true);
      message.id("00000000-0000-4000-8000-" + std::to_string(100000000000 + sent_));
      sender.send(message);
    }
  }
  void on_tracker_accept(proton::tracker&) override { ++accepted_; }
  void on_tracker_settle(proton::tracker& tracker) override {
    if (++settled_ < count_) return;
    end_ = std::chrono::steady_clock::now();
    tracker.connection().close();
  }

  std::string url_, address_;
  proton::connection_options connection_;
  proton::binary body_;
  long count_;
  long sent_ = 0, settled_ = 0, accepted_ = 0;
  std::chrono::steady_clock::time_point start_, end_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) {
    std::fprintf(stderr,
                 "usage: amqp_sender URL ADDRESS COUNT SIZE [USER PASSWORD [VIRTUAL_HOST]]\n");
    return 2;
  }
  Sender sender(arguments, count);
  const double before = cpu_seconds();
  proton::container(sender).run();
  const double cpu = cpu_seconds() - before;
  const auto settled = static_cast<double>(sender.settled());
  std::printf("%ld accepted, %.0f messages/s, %.1f us of CPU a message\n", sender.accepted(),
              settled / sender.seconds(), cpu / settled * 1e6);
  return sender.accepted() == sender.settled() ? 0 : 1;
}
