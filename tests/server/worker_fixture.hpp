// SPDX-License-Identifier: Apache-2.0
// Workers and their listener over real sockets, with fixture plugins behind them.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>

#include "chain_host.hpp"
#include "io/socket_binding.hpp"
#include "server/worker.hpp"
#include "server_settings.hpp"

namespace lsmtpd::server {

using test::plugin_entry;
using test::PluginHost;
using test::Record;

// A client that waits for what it wants to hear, with a deadline.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{20, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Sends as much as the kernel takes now.
  void send_some(std::string_view text) {
    (void)::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  // One whole reply, its last line without CRLF; empty: the end.
  std::string reply() {
    for (;;) {
      size_t at = 0;
      for (size_t end; (end = heard_.find("\r\n", at)) != std::string::npos; at = end + 2) {
        if (end < at + 4 || heard_[at + 3] == '-') continue;
        const std::string last = heard_.substr(at, end - at);
        heard_.erase(0, end + 2);
        return last;
      }
      char buffer[4096];
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (n <= 0) return "";
      heard_.append(buffer, static_cast<size_t>(n));
    }
  }
  std::string ask(const std::string& line) {
    send(line + "\r\n");
    return reply();
  }
  void begin() {
    EXPECT_EQ(reply().substr(0, 4), "220 ");
    EXPECT_EQ(ask("EHLO client.example").substr(0, 4), "250 ");
  }
  std::string mail(const std::string& content = "Subject: x\r\n\r\nhello\r\n") {
    EXPECT_EQ(ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
    EXPECT_EQ(ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
    EXPECT_EQ(ask("DATA").substr(0, 4), "354 ");
    return ask(content + ".");
  }
  // Something came within this time.
  bool hears(int milliseconds) {
    pollfd entry{fd_.get(), POLLIN, 0};
    return ::poll(&entry, 1, milliseconds) > 0;
  }
  // Breaks the connection: a client that merely closes may still be waiting for replies.
  void abort() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  std::string heard_;
};

class WorkerTest : public testing::Test {
 protected:
  ~WorkerTest() override {
    if (!drained_) drain();
    for (auto& worker : workers_) {
      std::promise<void> closed;
      worker->close_lanes([&] { closed.set_value(); });
      EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    }
    for (auto& worker : workers_) worker->stop();
    workers_.clear();
  }
  void step(config::Plugin entry) {
    settings_.chains[0].steps.push_back(entry.name);
    const std::string name = entry.name;
    use(name, host_.instance(std::move(entry)));
  }
  // The host owns it.
  void use(const std::string& name, plugin::Instance& instance) {
    generation_->instances[name] = {std::shared_ptr<void>(), &instance};
  }
  void step(const std::string& name, const std::string& use, test::Settings settings = {}) {
    step(plugin_entry(name, use, settings));
  }
  void serve(uint32_t workers = 1) {
    generation_->settings = settings_;
    for (uint32_t i = 0; i < workers; ++i) {
      auto socket = io::bind_tcp("127.0.0.1", port_);
      ASSERT_TRUE(socket);
      port_ = io::local_endpoint(socket->get()).port;
      workers_.push_back(std::make_unique<Worker>(i, shared_));
      ASSERT_TRUE(workers_.back()->start(generation_));
      ASSERT_TRUE(workers_.back()->listen(settings_.listeners[0].address, std::move(*socket)));
    }
  }
  std::future<void> begin_drain() {
    drained_ = true;
    auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
    auto done = std::make_shared<std::promise<void>>();
    for (auto& worker : workers_) {
      worker->drain([left, done] {
        if (--*left == 0) done->set_value();
      });
    }
    return done->get_future();
  }
  void drain() {
    if (workers_.empty()) return;
    EXPECT_EQ(begin_drain().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  }
  bool eventually(const std::function<bool()>& condition) { return host_.run_until(condition); }
  size_t times_logged(const std::string& part) {
    const std::string log = host_.log();
    size_t times = 0;
    for (size_t at = 0; (at = log.find(part, at)) != std::string::npos; at += part.size()) ++times;
    return times;
  }
  // Takes what there is, and says how much it was.
  uint64_t fill_memory() {
    const uint64_t rest = host_.resources.memory.limit() - host_.resources.memory.used();
    EXPECT_TRUE(host_.resources.memory.reserve(rest));
    return rest;
  }
  // An LMTP client that is about to send a message to so many.
  static void begin_lmtp(Client& client, int recipients) {
    EXPECT_EQ(client.reply().substr(0, 4), "220 ");
    EXPECT_EQ(client.ask("LHLO client.example").substr(0, 4), "250 ");
    EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
    for (int i = 0; i < recipients; ++i) {
      EXPECT_EQ(client.ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
    }
    EXPECT_EQ(client.ask("DATA").substr(0, 4), "354 ");
  }

  Settings settings_ = test::server_settings();
  Record record_{"server"};
  PluginHost host_{8u << 20};
  const Peers::Limits limits_{
      .connections = 10, .connections_per_peer = 5, .prefix_v4 = 32, .prefix_v6 = 64, .exempt = {}};
  Peers peers_{limits_};
  metrics::Registry metrics_;  // of a test that wants its counts
  Shared shared_{host_.resources, peers_};
  std::shared_ptr<Generation> generation_ = std::make_shared<Generation>();
  std::vector<std::unique_ptr<Worker>> workers_;
  uint16_t port_ = 0;
  bool drained_ = false;
};

}  // namespace lsmtpd::server
