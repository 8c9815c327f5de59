// SPDX-License-Identifier: Apache-2.0
// Connections on streams in memory: what a client sees of the session and the chain together.
#include <gtest/gtest.h>

#include "base/invariant.hpp"
#include "connection_fixture.hpp"

namespace lsmtpd::server {
namespace {

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

// The plugin hears of it: in place of the deadline that it would be held to.
TEST_F(ConnectionTest, AClientThatGoesWhileFiltersAreAskedAtConnectEndsTheCall) {
  step("who", "session_filter", {{"peer", "192.0.2.1"}, {"delay", "1h"}});
  step("out", "test_output");
  serve();
  for (const bool reset : {true, false}) {
    Client client(*this);
    EXPECT_TRUE(client.silent());
    reset ? client.abort() : client.close();
    EXPECT_TRUE(gone());
  }
  EXPECT_EQ(times_logged("call cancelled"), 2u);
  EXPECT_EQ(times_logged("session closed"), 2u);
}

TEST_F(ConnectionTest, AClientThatTalksWhileFiltersAreAskedAtConnectIsSentAway) {
  step("who", "session_filter",
       {{"peer", "192.0.2.1"}, {"verdict", "proceed"}, {"delay", "50ms"}, {"phases", "1"}});
  step("out", "test_output");
  serve();
  Client client(*this);
  client.send("EHLO too.early.example\r\n");
  EXPECT_EQ(client.reply(), "554 5.5.0 Client talked before the banner");
  EXPECT_EQ(client.reply(), "");
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

}  // namespace
}  // namespace lsmtpd::server
