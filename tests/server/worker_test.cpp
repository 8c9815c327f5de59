// SPDX-License-Identifier: Apache-2.0
// Workers, listeners and connections over real sockets, with fixture plugins behind them.
#include "server/worker.hpp"

#include <gtest/gtest.h>

#include "worker_fixture.hpp"

namespace lsmtpd::server {
namespace {

constexpr const char* kOutOfMemory = "421 4.3.2 Out of memory, try again later";

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
  use("bad", host_.instance(plugin_entry("bad", "fails_open_lane", {})));
  workers_.push_back(std::make_unique<Worker>(0, shared_));
  const auto status = workers_[0]->start(generation_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "plugin.bad: could not open a lane");
}

}  // namespace
}  // namespace lsmtpd::server
