// SPDX-License-Identifier: Apache-2.0
// One listener without a worker and without sockets: connections on streams in memory, a chain of
// fixture plugins behind them, and a clock that the test can move.
#pragma once

#include <unordered_map>

#include "chain_host.hpp"
#include "memory_stream.hpp"
#include "server/connection.hpp"
#include "server_settings.hpp"

namespace lsmtpd::server {

class ConnectionTest : public testing::Test {
 protected:
  // A client that waits for what it wants to hear, with a deadline.
  class Client {
   public:
    explicit Client(ConnectionTest& test, size_t room = std::string::npos,
                    const std::string& address = "192.0.2.1")
        : test_(test) {
      auto [stream, memory] = test::make_memory_stream(test.host_.loop);
      memory_ = memory;
      memory_->room = room;
      memory_->peer.address = address;
      test.connect(std::move(stream));
    }
    ~Client() { abort(); }

    void send(std::string_view text) { memory_->send(text); }
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
        const bool more =
            test_.eventually([&] { return !memory_->written.empty() || memory_->closed; });
        if (!more || memory_->written.empty()) return "";
        heard_ += memory_->take();
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
    // About to send a message to so many, in LMTP.
    void begin_lmtp(int recipients) {
      EXPECT_EQ(reply().substr(0, 4), "220 ");
      EXPECT_EQ(ask("LHLO client.example").substr(0, 4), "250 ");
      EXPECT_EQ(ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
      std::string batch;
      for (int i = 0; i < recipients; ++i) batch += "RCPT TO:<b@example.org>\r\n";
      send(batch);
      for (int i = 0; i < recipients; ++i) ASSERT_EQ(reply().substr(0, 4), "250 ");
      EXPECT_EQ(ask("DATA").substr(0, 4), "354 ");
    }
    std::string mail(const std::string& content = "Subject: x\r\n\r\nhello\r\n") {
      EXPECT_EQ(ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
      EXPECT_EQ(ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
      EXPECT_EQ(ask("DATA").substr(0, 4), "354 ");
      return ask(content + ".");
    }
    bool silent() {
      test::turn(test_.host_.loop);
      return memory_->written.empty() && heard_.empty();
    }
    void abort() { memory_->abort(); }
    void close() { memory_->finish(); }
    test::MemoryClient& memory() { return *memory_; }

   private:
    ConnectionTest& test_;
    std::shared_ptr<test::MemoryClient> memory_;
    std::string heard_;
  };

  ConnectionTest() { chain_.name = "default"; }
  ~ConnectionTest() override {
    if (memory_taken_) host_.resources.memory.release(memory_taken_);
    EXPECT_TRUE(eventually([&] { return connections_.empty(); })) << "a connection is left";
    EXPECT_EQ(peers_.count(), 0u);
  }

  void step(config::Plugin entry) {
    plugin::Lane& lane = host_.lane(std::move(entry));
    if (lane.instance().session_filter()) chain_.session_filters.push_back(&lane);
    if (lane.instance().output()) chain_.own().outputs.push_back({&lane, nullptr, nullptr});
    if (lane.instance().filter()) chain_.filters.push_back(&lane);
    if (lane.instance().admission()) chain_.admissions.push_back(&lane);
  }
  void step(const std::string& name, const std::string& use, test::Settings settings = {}) {
    step(test::plugin_entry(name, use, settings));
  }
  // After the settings are as they shall be.
  void serve() {
    chain_.deadline_ms = settings_.chains[0].deadline;
    chain_.deadlines = &host_.loop.deadlines();
    service_ = std::shared_ptr<const Service>(
        new Service{1, settings_.limits, settings_.timeouts, settings_.listeners[0], chain_, auth_,
                    host_.loop, host_.resources, peers_, next_session_,
                    [this](Connection& connection) { connections_.erase(&connection); }, nullptr,
                    ListenerMetrics(registry_, "mx", "default", 0)});
  }
  void connect(std::unique_ptr<io::Stream> stream) {
    test::on_loop(host_.loop, [&] {
      auto [admission, peer] = peers_.enter(stream->peer().address);
      ASSERT_EQ(admission, Peers::Admission::yes);
      auto connection = std::make_unique<Connection>(service_, std::move(stream), std::move(peer));
      Connection& started = *connection;
      connections_.emplace(&started, std::move(connection));
      started.start();
    });
  }
  void drain() {
    test::on_loop(host_.loop, [&] {
      for (auto& [connection, owner] : connections_) connection->drain();
    });
  }
  void cut_off() {
    test::on_loop(host_.loop, [&] {
      std::vector<Connection*> all;
      for (auto& [connection, owner] : connections_) all.push_back(connection);
      for (auto* connection : all) connection->cut_off();
    });
  }
  bool gone() {
    return eventually([&] { return connections_.empty(); });
  }
  // Time passes, and deadlines with it.
  void jump(uint64_t ms) {
    test::on_loop(host_.loop, [&] {
      auto& deadlines = host_.loop.deadlines();
      deadlines.advance(deadlines.now() + ms);
    });
  }
  bool eventually(const std::function<bool()>& condition) { return host_.run_until(condition); }
  size_t times_logged(const std::string& part) {
    const std::string log = host_.log();
    size_t times = 0;
    for (size_t at = 0; (at = log.find(part, at)) != std::string::npos; at += part.size()) ++times;
    return times;
  }
  uint64_t memory_used() const { return host_.resources.memory.used() - memory_taken_; }
  // Takes all that there is, but for so much; give_memory() gives it back.
  void take_memory(uint64_t but_for = 0) {
    const auto& memory = host_.resources.memory;
    const uint64_t rest = memory.limit() - memory.used() - but_for;
    EXPECT_TRUE(host_.resources.memory.reserve(rest));
    memory_taken_ += rest;
  }
  void give_memory() { host_.resources.memory.release(std::exchange(memory_taken_, 0)); }

  metrics::Registry registry_;  // outlives the connections, which count with it
  Settings settings_ = test::server_settings();
  test::Record record_{"connection"};
  test::PluginHost host_{8u << 20};
  Peers peers_{{.connections = 1000,
                .connections_per_peer = 1000,
                .prefix_v4 = 32,
                .prefix_v6 = 64,
                .exempt = {}}};
  pipeline::Chain chain_;
  plugin::Lane* auth_ = nullptr;
  uint64_t next_session_ = 1;
  uint64_t memory_taken_ = 0;
  std::shared_ptr<const Service> service_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace lsmtpd::server
