// SPDX-License-Identifier: Apache-2.0
// Connections on streams in memory: what a client sees of the session, the chain and the limits
// together.
#include <gtest/gtest.h>

#include "base/invariant.hpp"
#include "connection_fixture.hpp"

namespace lsmtpd::server {
namespace {

constexpr const char* kOutOfMemory = "421 4.3.2 Out of memory, try again later";

TEST_F(ConnectionTest, SessionFiltersRefuse) {
  step("who", "session_filter",
       {{"from", "bad@example.org"}, {"rcpt", "nobody@example.org"}, {"delay", "2ms"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<bad@example.org>"), "554 5.7.1 refused by session_filter");
  EXPECT_EQ(client.ask("MAIL FROM:<good@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<nobody@example.org>"), "550 5.7.1 refused by session_filter");
  client.close();
  EXPECT_TRUE(gone());
}

TEST_F(ConnectionTest, SessionFiltersAreAskedAtData) {
  step("who", "session_filter", {{"data", "2"}, {"text", "two are too many"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ") << "one recipient is let pass";
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<c@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("DATA"), "554 5.7.1 two are too many");
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
}

TEST_F(ConnectionTest, SessionFiltersHearHowEachTransactionEnded) {
  step("who", "session_filter");
  step("out", "test_output", {{"reject_to", "bad@example.org"}});
  serve();
  {
    Client client(*this);
    client.begin();
    EXPECT_EQ(client.mail().substr(0, 4), "250 ");
    EXPECT_EQ(times_logged("how=1"), 1u);
    // Both transactions of one batch: the end of the first is reported before the second begins.
    client.send("MAIL FROM:<a@example.org>\r\nRSET\r\nMAIL FROM:<a@example.org>\r\n");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.reply().substr(0, 4), "250 ");
    EXPECT_EQ(times_logged("how=3"), 1u);
    EXPECT_EQ(client.ask("RCPT TO:<bad@example.org>").substr(0, 4), "250 ");
    EXPECT_EQ(client.ask("DATA").substr(0, 4), "354 ");
    EXPECT_EQ(client.ask("x\r\n.").substr(0, 4), "554 ");
    EXPECT_EQ(times_logged("how=2"), 1u);
    EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged("how=3"), 2u) << "the connection is gone";
  EXPECT_EQ(times_logged("transaction ended"), 4u);
}

TEST_F(ConnectionTest, AnnotationsOfASessionFilterAreInEachMessage) {
  step("who", "session_filter", {{"annotate", "yes"}});
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  // CONNECT, HELO, MAIL, RCPT, DATA; then of the second message.
  EXPECT_NE(record_.lines()[0].find("session_filter.phases=1281632"), std::string::npos);
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
  EXPECT_NE(record_.lines()[1].find("session_filter.phases=128163281632"), std::string::npos);
}

TEST_F(ConnectionTest, InLmtpEachRecipientHasItsOwnReply) {
  settings_.listeners[0].smtp.lmtp = true;
  step("out", "test_output", {{"verdicts", "srt"}});
  serve();
  Client client(*this);
  client.begin_lmtp(3);
  client.send("x\r\n.\r\n");
  EXPECT_EQ(client.reply().substr(0, 4), "250 ");
  EXPECT_EQ(client.reply(), "554 5.7.1 told so");
  EXPECT_EQ(client.reply(), "451 4.3.0 told so");
  EXPECT_EQ(times_logged("outcome=rejected"), 0u);
  EXPECT_EQ(times_logged("outcome=mixed"), 1u);
  for (const char* told : {"stored", "rejected", "tempfail"})
    EXPECT_EQ(times_logged("<b@example.org> " + std::string(told) + " by out"), 1u) << told;
}

TEST_F(ConnectionTest, TheLogShowsTheCodeThatATempfailAtConnectIsSentWith) {
  step("who", "session_filter", {{"peer", "192.0.2.1"}, {"verdict", "tempfail"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_EQ(client.reply().substr(0, 4), "421 ");
  EXPECT_EQ(client.reply(), "") << "the connection ends";
  EXPECT_EQ(times_logged("at=connect"), 1u);
  EXPECT_EQ(times_logged("code=421"), 1u);
  EXPECT_EQ(times_logged("code=451"), 0u);
}

TEST_F(ConnectionTest, InSmtpTheWorstRecipientDecides) {
  step("out", "test_output", {{"verdicts", "sr"}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<b@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("RCPT TO:<c@example.org>").substr(0, 4), "250 ");
  EXPECT_EQ(client.ask("DATA").substr(0, 4), "354 ");
  EXPECT_EQ(client.ask("x\r\n."), "554 5.7.1 told so");
}

TEST_F(ConnectionTest, RefusedAtConnectThereIsNoService) {
  step("who", "session_filter", {{"peer", "192.0.2.1"}, {"text", "not from here"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_EQ(client.reply(), "554 5.7.1 not from here");
}

TEST_F(ConnectionTest, WhenNothingCanBeStoredMailIsRefusedAndTheSmallestLimitIsAnnounced) {
  step("size", "bad_filter", {{"max", "5KiB"}});
  step("out", "test_output", {{"ready", "false"}});
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org>").substr(0, 9), "452 4.3.1");
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org> SIZE=5121").substr(0, 4), "552 ");
}

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

TEST_F(ConnectionTest, AClientThatGoesBeforeTheOutputsStartCancels) {
  step("slow", "bad_filter", {{"mode", "never"}});
  step("out", "test_output", {{"record", record_.file()}});
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  EXPECT_TRUE(eventually([&] { return memory_used() > 0; }));
  client.abort();
  EXPECT_TRUE(gone());
  EXPECT_TRUE(record_.lines().empty());
}

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

TEST_F(ConnectionTest, ARefusedMessageIsInTheLogWithItsEnvelope) {
  step("out", "test_output");
  settings_.limits.message_size = 1000;
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail(std::string(998, 'x') + "\r\n" + "more\r\n").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(eventually([&] {
    return host_.logged("refused at=data id=") &&
           host_.logged(" from=a@example.org to=b@example.org size=1006 peer=192.0.2.1:") &&
           host_.logged(" helo=client.example listener=mx code=552 ");
  }));
  EXPECT_EQ(client.ask("MAIL FROM:<big@example.org> SIZE=1001").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(eventually([&] { return host_.logged(" from=big@example.org "); }));
  EXPECT_EQ(client.mail().substr(0, 4), "250 ");
}

TEST_F(ConnectionTest, AClientThatWaitsForTheBannerGetsIt) {
  settings_.listeners[0].greet_delay = 5000;
  step("out", "test_output");
  serve();
  Client client(*this);
  EXPECT_TRUE(client.silent());
  jump(5000);
  client.begin();
}

TEST_F(ConnectionTest, AClientThatTalksBeforeTheBannerIsSentAway) {
  settings_.listeners[0].greet_delay = 5000;
  step("out", "test_output");
  serve();
  Client client(*this);
  client.send("EHLO too.early.example\r\n");
  EXPECT_EQ(client.reply(), "554 5.5.0 Client talked before the banner");
  EXPECT_EQ(client.reply(), "");
}

// Somebody on the way can cut a stream, but only a peer can say goodbye.
TEST_F(ConnectionTest, ASilentEndIsAnEndOnlyBetweenCommands) {
  step("out", "test_output", {{"delay", "100ms"}, {"record", record_.file()}});
  serve();
  Client between(*this);
  between.begin();
  between.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) between.reply();
  between.send("x\r\n.\r\n");
  between.memory().fall_silent();
  EXPECT_EQ(between.reply().substr(0, 4), "250 ") << "the command before it was whole";

  Client within(*this);
  within.begin();
  within.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) within.reply();
  within.send("half a li");
  within.memory().fall_silent();
  EXPECT_EQ(within.reply(), "");
  EXPECT_TRUE(host_.logged(" why=\"connection lost\""));
}

TEST_F(ConnectionTest, ABrokenInvariantEndsTheSessionWith421WhereTheProcessGoesOn) {
  go_on_after_broken_invariants([](const char*, const char*, int) {});
  step("out", "test_output", {{"delay", "100ms"}});
  serve();
  Client client(*this);
  client.begin();
  client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client.reply();
  client.send("x\r\n.\r\n");
  client.close();
  EXPECT_TRUE(client.silent());
  client.memory().read_after_end("NOOP\r\n");  // no stream may do that
  EXPECT_EQ(client.reply().substr(0, 4), "250 ") << "what was begun has its outcome";
  EXPECT_EQ(client.reply(), "421 4.3.0 Internal error, try again later");
  EXPECT_EQ(client.reply(), "");
  go_on_after_broken_invariants(nullptr);
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

TEST_F(ConnectionTest, ManyRefusalsOfOneConnectionAreOneLineWithACount) {
  settings_.listeners[0].smtp.errors = 1000;
  step("out", "test_output");
  serve();
  {
    Client client(*this);
    client.begin();
    std::string batch;
    for (int i = 0; i < 100; ++i) batch += "DATA\r\n";
    client.send(batch);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(client.reply().substr(0, 4), "503 ");
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged(" refused at="), Connection::kRefusalLines);
  EXPECT_EQ(times_logged(" refused_more peer=192.0.2.1:4711 listener=mx count=80 "), 1u);
}

TEST_F(ConnectionTest, ManyConnectionsOfAPeerHaveSoManyRefusalsInTheLogAMinute) {
  settings_.listeners[0].smtp.errors = 1000;
  step("out", "test_output");
  serve();
  for (int n = 0; n < 20; ++n) {
    Client client(*this);
    client.begin();
    std::string batch;
    for (int i = 0; i < 20; ++i) batch += "DATA\r\n";
    client.send(batch);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(client.reply().substr(0, 4), "503 ");
  }
  EXPECT_TRUE(gone());
  EXPECT_EQ(times_logged(" refused at="), Peer::kRefusalLines);
  Client other(*this, std::string::npos, "192.0.2.2");
  other.begin();
  EXPECT_EQ(other.ask("DATA").substr(0, 4), "503 ");
  EXPECT_TRUE(host_.logged("peer=192.0.2.2:4711 ")) << "another peer has lines of its own";
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

TEST_F(ConnectionTest, ARefusalSaysWhatWasRefusedAndByWhoseLimit) {
  step("size", "bad_filter", {{"max", "5KiB"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.ask("MAIL FROM:<a@example.org> SIZE=5121").substr(0, 9), "552 5.3.4");
  EXPECT_TRUE(host_.logged("refused at=mail id="));
  EXPECT_TRUE(host_.logged(" verb=MAIL argument=\"FROM:<a@example.org> SIZE=5121\" limit=size\n"));
  EXPECT_EQ(client.ask("EHLO " + std::string(300, 'x')).substr(0, 4), "501 ");
  EXPECT_TRUE(host_.logged("refused at=helo id="));
  EXPECT_EQ(client.ask("FOO bar").substr(0, 4), "500 ");
  EXPECT_TRUE(host_.logged("refused at=command id="));
}

TEST_F(ConnectionTest, AnAcceptedMessageIsFoundByItsMessageId) {
  step("out", "test_output");
  serve();
  Client client(*this);
  client.begin();
  EXPECT_EQ(client.mail("Message-ID: <one@client.example>\r\n\r\nx\r\n").substr(0, 4), "250 ");
  EXPECT_TRUE(host_.logged(" message_id=<one@client.example> "));
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
