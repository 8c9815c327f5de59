// SPDX-License-Identifier: Apache-2.0
// The session through whole conversations: greeting, transactions, and how it ends.
#include "smtp/session.hpp"

#include <gmock/gmock.h>

#include "base/invariant.hpp"
#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using smtp::Action;
using testing::HasSubstr;

TEST(Session, TakesOneMessage) {
  const auto settings = test_settings();
  const Played played = expect_script(R"(
    S: 220 mx.test ESMTP lsmtpd
    C: EHLO client.example
    S: 250-mx.test
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-DSN
    S: 250-SIZE 0
    S: 250-LIMITS RCPTMAX=1000
    S: 250-VRFY
    S: 250 HELP
    C: MAIL FROM:<sender@example.org> BODY=8BITMIME SIZE=11
    S: 250 2.1.0 Ok
    C: RCPT TO:<one@example.org> NOTIFY=NEVER
    S: 250 2.1.5 Ok
    C: RCPT TO:<two@example.org>
    S: 250 2.1.5 Ok
    C: DATA
    S: 354 End data with <CR><LF>.<CR><LF>
    C: Subject: x
    C:
    C: ..hello
    C: .
    S: 250 2.0.0 Ok: queued as an-id
    C: QUIT
    S: 221 2.0.0
    M: Subject: x\r\n\r\n.hello\r\n
    X:)",
                                      settings);
  const message::Envelope& envelope = played.messages.at(0).envelope;
  EXPECT_EQ(envelope.id, "an-id");
  EXPECT_EQ(envelope.time_ns, 1);
  EXPECT_EQ(envelope.reverse_path, "sender@example.org");
  EXPECT_EQ(envelope.parameters, "BODY=8BITMIME SIZE=11");
  EXPECT_EQ(envelope.recipients.at(0).address, "one@example.org");
  EXPECT_EQ(envelope.recipients.at(0).parameters, "NOTIFY=NEVER");
  EXPECT_EQ(envelope.recipients.at(1).address, "two@example.org");
  EXPECT_EQ(envelope.helo, "client.example");
  EXPECT_EQ(envelope.protocol, "ESMTP");
  EXPECT_EQ(envelope.listener, "mx");
  EXPECT_EQ(envelope.peer_address, "192.0.2.1");
  EXPECT_EQ(envelope.peer_port, 4711);
}

TEST(Session, TakesManyMessagesOnOneConnection) {
  const auto settings = test_settings();
  std::string script = "S: 220\nC: HELO c\nS: 250 mx.test\n";
  for (int i = 0; i < 40; ++i) {
    script +=
        "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<r@x>\nS: 250\nC: DATA\nS: 354\nC: x\nC: .\nS: 250\n"
        "M: x\\r\\n\n";
  }
  const Played played = expect_script(script, settings);
  EXPECT_EQ(played.messages.back().envelope.helo, "c");
  EXPECT_EQ(played.messages.back().envelope.protocol, "SMTP");
  EXPECT_EQ(played.messages.back().envelope.peer_address, "192.0.2.1");
  EXPECT_EQ(played.messages.back().envelope.recipients.size(), 1U);
}

TEST(Session, AnnouncesTheLimitsInForce) {
  auto settings = test_settings();
  settings.recipients = 5'000'000;  // RFC 9422 has room for six digits
  Host host;
  host.size_limit = 10'485'760;
  EXPECT_THAT(play_whole(settings, host, "EHLO c\r\n").replies,
              testing::AllOf(HasSubstr("250-SIZE 10485760\r\n"),
                             HasSubstr("250-LIMITS RCPTMAX=999999\r\n")));
}

TEST(Session, AnswersAPipelinedBatchInOrderWithOneText) {
  const auto settings = test_settings();
  Player player(settings, {});
  player.feed("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bad\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  EXPECT_THAT(player.played().replies,
              HasSubstr("250 2.1.0 Ok\r\n501 5.1.3 Bad recipient address syntax\r\n"
                        "250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"));
}

TEST(Session, AcceptsTheGreetingAgainAtAnyTime) {
  const auto settings = test_settings();
  const Played played = expect_script(R"(
    S: 220
    C: HELO one
    S: 250 mx.test
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: HELO two
    S: 250 mx.test
    C: DATA
    S: 503 5.5.1
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    C: .
    S: 250
    M:
    )",
                                      settings);
  EXPECT_EQ(played.messages.at(0).envelope.helo, "two");
  EXPECT_EQ(played.messages.at(0).envelope.recipients.size(), 1U);
}

TEST(Session, ForgetsTheTransactionAtRset) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: RSET
    S: 250 2.0.0
    C: RCPT TO:<c@d>
    S: 503 5.5.1 Send MAIL first
    C: MAIL FROM:<a@b>
    S: 250
    C: DATA
    S: 503 5.5.1 Send RCPT first)",
                settings);
}

TEST(Session, NotesTheProtocolOfAnInternationalizedMessage) {
  const auto settings = test_settings();
  const std::string mail =
      "MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\nRCPT TO:<\xc3\xb6@\xc3\xbc>\r\nDATA\r\n.\r\n";
  const Played played = play_whole(settings, {}, "EHLO c\r\n" + mail + mail);
  ASSERT_EQ(played.messages.size(), 2U);
  EXPECT_EQ(played.messages[0].envelope.protocol, "UTF8SMTP");
  EXPECT_EQ(played.messages[0].envelope.reverse_path, "\xc3\xa4@b");
  EXPECT_EQ(played.messages[0].envelope.recipients[0].address, "\xc3\xb6@\xc3\xbc");
}

TEST(Session, AnswersTheSmallCommands) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: NOOP
    S: 250 2.0.0
    C: NOOP with words
    S: 250 2.0.0
    C: HELP
    S: 214 2.0.0
    C: HELP MAIL
    S: 214 2.0.0
    C: VRFY someone
    S: 252 2.5.2
    C: VRFY s\xc3\xb6meone SMTPUTF8
    S: 252 2.5.2
    C: VRFY s\xc3\xb6meone
    S: 501 5.5.2
    C: VRFY
    S: 501 5.5.4
    C: RSET now
    S: 501 5.5.4
    C: EXPN list
    S: 502 5.5.1
    C: TURN
    S: 502 5.5.1
    C: STARTTLS
    S: 502 5.5.1
    C: AUTH PLAIN
    S: 502 5.5.1
    C: FOO
    S: 500 5.5.1
    C: \
    S: 500 5.5.1
    C:
    S: 500 5.5.2
    C: LHLO x
    S: 500 5.5.1
    C: QUIT
    S: 221 2.0.0
    X:)",
                settings);
}

TEST(Session, CanBeShutDownAtAnyTime) {
  const auto settings = test_settings();
  for (const char* input :
       {"", "HE", "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nx",
        "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 5\r\nx"}) {
    Player player(settings, {});
    player.feed(input);
    player.session().shut_down({421, "4.4.2", "Timeout"});
    EXPECT_FALSE(player.feed("QUIT\r\n"));
    EXPECT_THAT(player.played().replies, testing::EndsWith("421 4.4.2 Timeout\r\n"));
  }
}

TEST(Session, IgnoresAVerdictThatComesAfterItWasShutDown) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  session.next(input);
  session.proceed();
  input = "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n";
  for (Action action = session.next(input); action != Action::body_end;
       action = session.next(input)) {
    session.proceed();
  }
  session.shut_down({421, "4.3.2", "Shutting down"});
  session.finish({250, "2.0.0", "Ok"});
  EXPECT_EQ(session.next(input), Action::close);
  EXPECT_THAT(session.replies(), testing::EndsWith("421 4.3.2 Shutting down\r\n"));
}

TEST(Session, IgnoresAnAnswerThatComesAfterItWasShutDown) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  session.next(input);
  session.shut_down({421, "4.3.2", "Shutting down"});
  session.proceed();
  session.refuse({554, "5.7.1", "No"});
  EXPECT_EQ(session.next(input), Action::close);
  EXPECT_EQ(session.replies(), "421 4.3.2 Shutting down\r\n");
}

TEST(Session, SaysWhichDeadlineApplies) {
  const auto settings = test_settings();
  Player player(settings, {});
  EXPECT_FALSE(player.session().in_transaction());
  player.feed("MAIL FROM:<> SIZE=77\r\n");
  EXPECT_TRUE(player.session().in_transaction());
  EXPECT_FALSE(player.session().in_data());
  EXPECT_EQ(player.session().declared_size(), 77U);
  player.feed("RCPT TO:<a@b>\r\nDATA\r\nfour");
  EXPECT_TRUE(player.session().in_data());
  EXPECT_EQ(player.session().message_octets(), 4U);
  player.feed("\r\n.\r\n");
  EXPECT_FALSE(player.session().in_data());
  EXPECT_FALSE(player.session().in_transaction());
  EXPECT_EQ(player.session().declared_size(), 0U);
}

TEST(SessionDeathTest, AbortsWhereTheCallerOwesAnAnswer) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  ASSERT_EQ(session.next(input), Action::phase_connect);
  EXPECT_DEATH(session.next(input), "broken invariant: waiting_ == Waiting::nothing");
}

TEST(Session, EndsWith421WhereAnInvariantIsBrokenAndTheProcessGoesOn) {
  go_on_after_broken_invariants([](const char*, const char*, int) {});
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  ASSERT_EQ(session.next(input), Action::phase_connect);
  EXPECT_EQ(session.next(input), Action::close);
  EXPECT_EQ(session.replies(), "421 4.3.0 Internal error, try again later\r\n");
  go_on_after_broken_invariants(nullptr);
}

}  // namespace
}  // namespace lsmtpd::test
