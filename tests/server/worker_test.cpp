// SPDX-License-Identifier: Apache-2.0
// Workers, listeners and connections over real sockets, with fixture plugins behind them.
#include "server/worker.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>

#include "chain_host.hpp"
#include "server_settings.hpp"

namespace lsmtpd::server {
namespace {

using test::plugin_entry;
using test::PluginHost;
using test::Record;

constexpr const char* kOutOfMemory = "421 4.3.2 Out of memory, try again later";

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
    shared_.instances[name] = &host_.instance(std::move(entry));
  }
  void step(const std::string& name, const std::string& use, test::Settings settings = {}) {
    step(plugin_entry(name, use, settings));
  }
  void serve(uint32_t workers = 1) {
    for (uint32_t i = 0; i < workers; ++i) {
      auto socket = io::bind_tcp("127.0.0.1", port_);
      ASSERT_TRUE(socket);
      port_ = io::local_endpoint(socket->get()).port;
      workers_.push_back(std::make_unique<Worker>(i, shared_));
      ASSERT_TRUE(workers_.back()->start());
      ASSERT_TRUE(workers_.back()->listen(0, std::move(*socket)));
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
  Peers peers_{{.connections = 10, .connections_per_peer = 5, .prefix_v4 = 32, .prefix_v6 = 64}};
  Shared shared_{settings_, host_.resources, peers_, {}, {}};
  std::vector<std::unique_ptr<Worker>> workers_;
  uint16_t port_ = 0;
  bool drained_ = false;
};

TEST_F(WorkerTest, AMessageIsStoredAndTheConnectionGoesOn) {
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(port_);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 24), "250 2.0.0 Ok: queued as ");
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_EQ(record_.count("deliver"), 2u);
  EXPECT_EQ(client.ask("QUIT").substr(0, 4), "221 ");
  EXPECT_EQ(client.reply(), "");
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
}

TEST_F(WorkerTest, APipelinedBatchIsAnsweredInOrder) {
  step("out", "test_output");
  serve();
  Client client(port_);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (const char* code : {"250 ", "250 ", "354 "}) EXPECT_EQ(client.reply().substr(0, 4), code);
  client.send("x\r\n.\r\nNOOP\r\nQUIT\r\n");
  for (const char* code : {"250 ", "250 ", "221 "}) EXPECT_EQ(client.reply().substr(0, 4), code);
}

TEST_F(WorkerTest, ManyWorkersShareThePort) {
  step("out", "test_output", {{"record", record_.file()}});
  serve(3);
  for (int i = 0; i < 12; ++i) {
    Client client(port_);
    client.begin();
    EXPECT_EQ(client.mail().substr(0, 4), "250 ");
    client.ask("QUIT");
    client.close();
    EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
  }
  EXPECT_EQ(record_.count("deliver"), 12u);
}

TEST_F(WorkerTest, TooManyConnectionsFromOneAddressGet421) {
  step("out", "test_output");
  serve();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->begin();
  }
  Client refused(port_);
  EXPECT_EQ(refused.reply(), "421 4.3.2 Too many connections from your address, try again later");
  EXPECT_EQ(refused.reply(), "");
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return peers_.count() == 4; }));
  Client admitted(port_);
  admitted.begin();
}

TEST_F(WorkerTest, ALargeMessageSpillsAndIsWhole) {
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  ASSERT_TRUE(host_.resources.memory.reserve(7u << 20));
  Client client(port_);
  client.begin();
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  EXPECT_EQ(client.mail(content).substr(0, 4), "250 ");
  EXPECT_NE(record_.lines()[0].find(" size=" + std::to_string(content.size())), std::string::npos);
  host_.resources.memory.release(7u << 20);
  client.ask("QUIT");
  EXPECT_TRUE(eventually(
      [&] { return host_.resources.memory.used() == 0 && host_.resources.spill.used() == 0; }));
}

TEST_F(WorkerTest, RepliesThatAreNotReadAreCounted) {
  settings_.listeners[0].smtp.commands = 1'000'000;
  step("out", "test_output");
  serve();
  Client client(port_);
  client.begin();
  EXPECT_EQ(host_.resources.memory.used(), 0u);
  std::string batch;
  for (int i = 0; i < 1000; ++i) batch += "HELP\r\n";
  const auto waiting = [&] { return host_.resources.memory.used() >= 4096; };
  bool seen = false;  // once: the system's buffers may grow, and take it all again
  EXPECT_TRUE(eventually([&] {
    client.send_some(batch);
    return seen = seen || waiting();
  }));
  client.abort();
  EXPECT_TRUE(eventually([&] { return host_.resources.memory.used() == 0; }));
}

// The client has not read them yet, and closing on what it has sent behind would reset them away.
TEST_F(WorkerTest, UnsentRepliesOutliveAnEndForLackOfMemory) {
  settings_.listeners[0].smtp.lmtp = true;
  step("out", "test_output");
  serve();
  Client client(port_, 4096);
  begin_lmtp(client, 500);
  client.send("hello\r\n.\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("accepted id="); }));
  EXPECT_TRUE(eventually([&] { return host_.resources.memory.used() == 0; }));
  ASSERT_TRUE(host_.resources.memory.reserve(host_.resources.memory.limit()));
  client.send("NOOP " + std::string(1500, 'x'));
  EXPECT_TRUE(eventually([&] { return host_.logged("closed id="); }));
  client.send("and more");
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.reply().substr(0, 3), "250") << i;
  EXPECT_EQ(client.reply(), kOutOfMemory);
  EXPECT_EQ(client.reply(), "");
  host_.resources.memory.release(host_.resources.memory.limit());
}

TEST_F(WorkerTest, ADrainLetsAClientReadItsReplies) {
  settings_.listeners[0].smtp.lmtp = true;
  settings_.listeners[0].smtp.recipients = 100'000;
  settings_.limits.unread_replies = 1024;
  // More in all than a kernel takes.
  step("out", "test_output", {{"verdict", "reject"}, {"text", std::string(400, 'x')}});
  serve();
  Client client(port_, 4096);
  begin_lmtp(client, 20'000);
  client.send("x\r\n.\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("refused id="); }));
  auto drained = begin_drain();
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(client.reply().substr(0, 4), "554 ") << i;
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  EXPECT_EQ(client.reply(), "");
  client.close();
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(WorkerTest, AClientThatGoesLaterLosesTheReplyNotTheMessage) {
  step("out", "replay_output", {{"delay", "1s"}, {"record", record_.file()}});
  serve();
  Client client(port_);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  EXPECT_TRUE(eventually([&] { return record_.count("deliver") == 1; }));
  client.abort();
  EXPECT_TRUE(eventually([&] { return peers_.count() == 0; }));
  EXPECT_TRUE(eventually([&] { return host_.logged("reply_lost=true"); }));
}

TEST_F(WorkerTest, DrainTellsTheIdleAndLetsTransactionsFinish) {
  step("out", "test_output", {{"delay", "30ms"}, {"record", record_.file()}});
  serve(2);
  Client idle(port_), busy(port_);
  idle.begin();
  busy.begin();
  busy.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) busy.reply();
  auto drained = begin_drain();
  EXPECT_EQ(idle.reply().substr(0, 9), "421 4.3.2");
  EXPECT_EQ(idle.reply(), "");
  idle.close();
  busy.send("x\r\n.\r\n");
  EXPECT_EQ(busy.reply().substr(0, 4), "250 ");
  EXPECT_EQ(busy.reply().substr(0, 9), "421 4.3.2");
  busy.close();
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(record_.count("deliver"), 1u);
}

TEST_F(WorkerTest, ALaneThatCannotBeOpenedIsAnError) {
  shared_.instances["bad"] = &host_.instance(plugin_entry("bad", "fails_open_lane", {}));
  workers_.push_back(std::make_unique<Worker>(0, shared_));
  const auto status = workers_[0]->start();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "plugin.bad: could not open a lane");
}

}  // namespace
}  // namespace lsmtpd::server
