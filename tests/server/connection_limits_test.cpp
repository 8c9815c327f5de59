// SPDX-License-Identifier: Apache-2.0
// Connections on streams in memory: the limits of memory, of unread replies, of time and of a turn.
#include <gtest/gtest.h>

#include "connection_fixture.hpp"

namespace lsmtpd::server {
namespace {

constexpr const char* kOutOfMemory = "421 4.3.2 Out of memory, try again later";

TEST_F(ConnectionTest, WithoutAnyMemoryTheMessageGets452AndTheConnectionGoesOn) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("DATA").substr(0, 4), "354 ");
  take_memory();
  EXPECT_EQ(client.ask("some content\r\n.").substr(0, 9), "452 4.3.1");
  EXPECT_TRUE(eventually([&] { return host_.logged("refused at=data id="); }));
  give_memory();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
}

TEST_F(ConnectionTest, HalfACommandDoesNotGetTimeForEachOfItsOctets) {
  settings_.timeouts.command = 400;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  for (int sent = 0; sent < 100 && client.silent(); ++sent) client.send("x");
  EXPECT_EQ(client.reply(), "421 4.4.2 Timeout while waiting for a command");
  // Whole commands do, each from the end of the one before.
  Client busy(*this);
  busy.begin();
  for (int sent = 0; sent < 40; ++sent) {
    EXPECT_TRUE(busy.silent());
    ASSERT_EQ(busy.ask("NOOP"), "250 2.0.0 Ok");
  }
}

TEST_F(ConnectionTest, HalfACommandIsCounted) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(memory_used(), 0u);
  client.send("NOOP " + std::string(1500, 'x'));
  EXPECT_TRUE(eventually([&] { return memory_used() >= 1024; }));
  EXPECT_EQ(client.ask(""), "250 2.0.0 Ok");
  EXPECT_TRUE(eventually([&] { return memory_used() == 0; }));
  // A reverse-path with its parameters, until the transaction ends.
  EXPECT_EQ(client.ask("MAIL FROM:<a@b>" + std::string(1500, ' ') + "SIZE=1" +
                       std::string(300, ' ') + "RET=FULL"),
            "250 2.1.0 Ok");
  EXPECT_EQ(memory_used(), 0u) << "blanks in front are not kept";
  EXPECT_EQ(client.ask("RSET"), "250 2.0.0 Ok");
  EXPECT_EQ(client.ask("MAIL FROM:<a@b> SIZE=1" + std::string(1500, ' ') + "RET=FULL"),
            "250 2.1.0 Ok");
  EXPECT_TRUE(eventually([&] { return memory_used() >= 1024; }));
  EXPECT_EQ(client.ask("RSET"), "250 2.0.0 Ok");
  EXPECT_TRUE(eventually([&] { return memory_used() == 0; }));

  take_memory();
  client.send("NOOP " + std::string(1500, 'x'));
  EXPECT_EQ(client.reply(), "421 4.3.2 Out of memory, try again later");
  give_memory();
}

TEST_F(ConnectionTest, RepliesThatTheKernelTakesNeedNoRoom) {
  settings_.listeners[0].smtp.lmtp = true;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin_lmtp(500);
  client.send("hello\r\n");
  EXPECT_TRUE(eventually([&] { return memory_used() > 0; }));
  // Enough for the message on its way, and not for the replies.
  take_memory(8192);
  client.send(".\r\n");
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.reply().substr(0, 3), "250") << i;
  EXPECT_EQ(client.ask("NOOP"), "250 2.0.0 Ok");
  give_memory();
}

TEST_F(ConnectionTest, RepliesThatAreNotReadAndFindNoRoomEndTheConnectionAtOnce) {
  settings_.listeners[0].smtp.commands = 1'000'000;
  step("out", "test_output");
  serve();
  Client client(*this, 4096);
  client.begin();
  take_memory();
  std::string batch;
  for (int i = 0; i < 1000; ++i) batch += "HELP\r\n";
  client.send(batch);
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged("closed id="), 1u);
  EXPECT_TRUE(host_.logged(" why=\"limits.memory is used up\""));
  EXPECT_FALSE(host_.logged(" unsent=0 ")) << "how much it had not taken";
  give_memory();
}

// It was begun, so it may be stored: its client must hear of that before all else.
TEST_F(ConnectionTest, InputThatFindsNoRoomLetsTheMessageBeforeItHaveItsOutcome) {
  step("out", "test_output", {{"delay", "300ms"}, {"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  EXPECT_TRUE(eventually([&] { return record_.count("deliver") == 1; }));
  take_memory();
  client.send("NOOP\r\n");
  EXPECT_EQ(client.reply().substr(0, 24), "250 2.0.0 Ok: queued as ");
  EXPECT_EQ(client.reply(), kOutOfMemory);
  EXPECT_EQ(client.reply(), "");
  EXPECT_TRUE(host_.logged("reply_lost=false"));
  EXPECT_EQ(times_logged("closed id="), 1u);
  give_memory();
}

// Input was lost: the transaction must not continue after the gap, with or without a drain.
TEST_F(ConnectionTest, InputThatFindsNoRoomEndsTheSessionThoughADrainWouldLetItGoOn) {
  step("who", "session_filter",
       {{"rcpt", "nobody@example.org"}, {"verdict", "tempfail"}, {"delay", "300ms"}});
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@b.example>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<c@d.example>").substr(0, 4), "250 ");
  client.send("RCPT TO:<nobody@example.org>\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  take_memory();
  client.send("RCPT TO:<lost@d.example>\r\n");
  drain();
  EXPECT_EQ(client.reply().substr(0, 4), "451 ");
  EXPECT_EQ(client.reply(), kOutOfMemory);
  EXPECT_EQ(client.reply(), "");
  client.close();
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged("closed id="), 1u);
  give_memory();
}

// The refusal of that MAIL is the session's last reply, so the log has both lines.
TEST_F(ConnectionTest, ASessionThatEndsWhileItsMailIsCheckedHasOneLineClosed) {
  step("who", "session_filter",
       {{"from", "slow@example.org"}, {"verdict", "proceed"}, {"delay", "300ms"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<slow@example.org>\r\n");
  EXPECT_TRUE(eventually([&] { return host_.logged("thinking"); }));
  take_memory();
  client.send("RCPT TO:<lost@d.example>\r\n");
  EXPECT_EQ(client.reply(), kOutOfMemory);
  EXPECT_EQ(client.reply(), "");
  client.close();
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged("refused at=mail id="), 1u);
  EXPECT_EQ(times_logged("closed id="), 1u);
  EXPECT_EQ(times_logged(" why=\"limits.memory is used up\""), 2u);
  give_memory();
}

TEST_F(ConnectionTest, ThousandsOfRepliesToOneMessageAreNotTakenForAClientThatDoesNotRead) {
  settings_.listeners[0].smtp.lmtp = true;
  settings_.listeners[0].smtp.recipients = 10'000;
  settings_.limits.unread_replies = 1024;
  step("out", "test_output");
  serve();
  Client client(*this, 4096);
  client.begin_lmtp(10'000);
  client.send("x\r\n.\r\n");
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(client.reply().substr(0, 24), "250 2.0.0 Ok: queued as ") << i;
  }
  EXPECT_EQ(client.ask("QUIT").substr(0, 4), "221 ");
}

TEST_F(ConnectionTest, RecipientsRefusedForLackOfMemoryAreNotRefusedForEver) {
  settings_.listeners[0].smtp.commands = 10;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  take_memory();
  std::string last;
  int refused = 0;
  for (; refused < 20; ++refused) {
    last = client.ask("RCPT TO:<b@example.org>");
    if (last.substr(0, 9) != "452 4.3.1") break;
  }
  EXPECT_EQ(last.substr(0, 9), "421 4.7.0");
  EXPECT_EQ(refused, 9) << "the EHLO is the tenth";
  give_memory();
}

TEST_F(ConnectionTest, WhenMemoryIsShortOnlyLargeEnvelopesStopGrowing) {
  settings_.listeners[0].smtp.recipients = 10'000;
  step("out", "test_output");
  serve();
  const uint64_t taken = host_.resources.soft_limit() + 1;
  ASSERT_TRUE(host_.resources.memory.reserve(taken));
  Client large(*this), small(*this);
  large.begin();
  small.begin();
  EXPECT_EQ(large.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  const std::string address = "RCPT TO:<" + std::string(60, 'r') + "@example.org>";
  int accepted = 0;
  while (accepted < 1000 && large.ask(address).substr(0, 4) == "250 ") ++accepted;
  EXPECT_GE(accepted, 100) << "what RFC 5321 4.5.3.1.8 asks for";
  EXPECT_LT(accepted, 200);
  EXPECT_EQ(small.mail().substr(0, 4), "250 ");
  host_.resources.memory.release(taken);
  EXPECT_EQ(large.ask(address).substr(0, 4), "250 ");
}

TEST_F(ConnectionTest, TheSessionsDeadlineHoldsAlsoWhereItPassesWhileTheChainHasTheMessage) {
  step("out", "test_output", {{"delay", "300ms"}, {"record", record_.file()}});
  settings_.timeouts.session = 100;
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_EQ(client.reply(), "421 4.4.2 Session took too long");
  EXPECT_EQ(client.reply(), "");
  EXPECT_EQ(record_.count("deliver"), 1u);
}

TEST_F(ConnectionTest, AClientThatNeverPausesBetweenRefusedMessagesHoldsOneEnvelope) {
  step("out", "test_output");
  settings_.limits.message_size = 10;
  serve();
  Client client(*this);
  client.begin();
  const std::string envelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";
  client.send(envelope);
  client.reply();
  client.reply();
  const uint64_t one = memory_used();
  EXPECT_GT(one, 0u);
  for (int i = 0; i < 20; ++i) {
    client.send("BDAT 11 LAST\r\n12345678901" + envelope);
    for (const char* code : {"552 ", "250 ", "250 "}) EXPECT_EQ(client.reply().substr(0, 4), code);
  }
  EXPECT_TRUE(eventually([&] { return memory_used() == one; }));
}

// With no time at all each step is a turn of its own.
TEST_F(ConnectionTest, WhatIsTooMuchForOneTurnGoesOnInTheNext) {
  settings_.limits.turn_ns = 0;
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client busy(*this);
  busy.begin();
  std::string content, batch = "MAIL FROM:<a@b.example>\r\n";
  for (int i = 0; i < 200; ++i) batch += "RCPT TO:<c@d.example>\r\n";
  busy.send(batch);
  const uint64_t turn = host_.loop.turn();
  for (int i = 0; i < 201; ++i) ASSERT_EQ(busy.reply().substr(0, 4), "250 ") << i;
  EXPECT_GE(host_.loop.turn() - turn, 200u / TurnBudget::kStride);
  EXPECT_EQ(busy.ask("DATA").substr(0, 4), "354 ");
  for (int i = 0; i < 1000; ++i) content += "..\r\n";
  EXPECT_EQ(busy.ask(content + ".").substr(0, 4), "250 ");
  EXPECT_NE(record_.lines()[0].find(" size=3000"), std::string::npos) << record_.lines()[0];
  EXPECT_EQ(busy.ask("QUIT").substr(0, 4), "221 ");
}

TEST_F(ConnectionTest, AClientThatGoesWhileItWaitsForItsTurnIsForgottenInTheNext) {
  settings_.limits.turn_ns = 0;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  std::string batch = "MAIL FROM:<a@b.example>\r\n";
  for (int i = 0; i < 200; ++i) batch += "RCPT TO:<c@d.example>\r\n";
  client.send(batch);
  test::turn(host_.loop, 1);
  client.abort();
  EXPECT_TRUE(gone());
  EXPECT_EQ(memory_used(), 0u);
}

TEST_F(ConnectionTest, ChunksThatComeTooSlowlyEndTheSession) {
  settings_.timeouts.data_idle = settings_.timeouts.command = 3'600'000;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@b.example>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<c@d.example>").substr(0, 4), "250 ");
  for (int chunk = 0; chunk < 3; ++chunk) {
    client.send("BDAT 1\r\nx");
    EXPECT_EQ(client.reply().substr(0, 4), "250 ");
  }
  jump(ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(client.reply(), "421 4.4.2 Data comes too slowly");
}

}  // namespace
}  // namespace lsmtpd::server
