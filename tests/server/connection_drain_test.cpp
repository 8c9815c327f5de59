// SPDX-License-Identifier: Apache-2.0
// Connections on streams in memory: what a drain does with each.
#include <gtest/gtest.h>

#include "connection_fixture.hpp"

namespace lsmtpd::server {
namespace {

TEST_F(ConnectionTest, DrainEndsASessionWhoseTransactionIsReset) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@b.example>").substr(0, 4), "250 ");
  drain();
  EXPECT_EQ(client.ask("RSET").substr(0, 4), "250 ");
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  client.close();
  EXPECT_TRUE(gone());
}

TEST_F(ConnectionTest, DrainEndsASessionThatWaitsForAFilter) {
  step("who", "session_filter",
       {{"helo", "client.example"}, {"verdict", "tempfail"}, {"delay", "100ms"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_EQ(client.reply().substr(0, 4), "220 ");
  client.send("EHLO client.example\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  drain();
  EXPECT_EQ(client.reply().substr(0, 4), "451 ");
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  client.close();
  EXPECT_TRUE(gone());
}

TEST_F(ConnectionTest, ADrainWhileMailIsCheckedRefusesItAndHasOneLineClosed) {
  step("who", "session_filter",
       {{"from", "slow@example.org"}, {"verdict", "proceed"}, {"delay", "100ms"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<slow@example.org>\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  drain();
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  EXPECT_EQ(client.reply(), "");
  client.close();
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged("closed id="), 1u);
}

TEST_F(ConnectionTest, ADrainWithoutTimeLeftCancelsASessionFilter) {
  step("who", "session_filter", {{"helo", "client.example"}, {"delay", "1h"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_EQ(client.reply().substr(0, 4), "220 ");
  client.send("EHLO client.example\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  drain();
  EXPECT_TRUE(client.silent());
  cut_off();
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  EXPECT_TRUE(host_.logged("call cancelled"));
  EXPECT_TRUE(host_.logged(" why=\"timeouts.drain passed\""));
  client.close();
  EXPECT_TRUE(gone());
}

TEST_F(ConnectionTest, ADrainWithoutTimeLeftCancelsAFilter) {
  step("slow", "bad_filter", {{"mode", "never"}});
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  drain();
  EXPECT_TRUE(client.silent());
  cut_off();
  EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
  client.close();
  EXPECT_TRUE(gone());
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ConnectionTest, ADrainWithoutTimeLeftLeavesToAnOutputWhatItHas) {
  step("out", "test_output", {{"delay", "100ms"}, {"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  drain();
  EXPECT_TRUE(client.silent());
  cut_off();
  EXPECT_EQ(client.reply().substr(0, 4), "250 ");
}

TEST_F(ConnectionTest, ADrainGivesAnIdleTransactionLittleTime) {
  step("out", "test_output");
  serve();
  Client idle(*this);
  idle.begin();
  EXPECT_EQ(idle.ask("MAIL FROM:<a@b.example>").substr(0, 4), "250 ");
  drain();
  EXPECT_TRUE(idle.silent());
  jump(ConnectionTimers::kHurriedMs);
  EXPECT_EQ(idle.reply(), "421 4.4.2 Timeout while waiting for a command");
}

TEST_F(ConnectionTest, ADrainDoesNotWaitLongForAClientThatDoesNotReadIts421) {
  step("out", "test_output");
  serve();
  Client deaf(*this);
  deaf.begin();
  deaf.memory().room = 0;
  drain();
  test::turn(host_.loop);
  EXPECT_EQ(connections_.size(), 1u);
  jump(ConnectionTimers::kHurriedMs);
  EXPECT_TRUE(gone());
}

}  // namespace
}  // namespace lsmtpd::server
