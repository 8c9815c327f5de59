// SPDX-License-Identifier: Apache-2.0
// The session through whole conversations: greeting, transactions, refusals by the caller.
#include "smtp/session.hpp"

#include <gmock/gmock.h>

#include "base/invariant.hpp"
#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using smtp::Action;
using smtp::Reply;
using testing::ElementsAre;
using testing::HasSubstr;

Host refusing(Action at, Reply reply) {
  return {0, [=](Action action, const smtp::Session&) {
            return action == at ? std::optional(reply) : std::nullopt;
          }};
}

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

TEST(Session, ReportsEachOfItsRefusalsForTheLog) {
  const auto settings = test_settings();
  const Played played = play_whole(settings, {}, "FOO\r\nDATA\r\nMAIL FROM:<\r\n");
  EXPECT_THAT(played.refusals,
              ElementsAre("Command unrecognized", "Send MAIL first", "Bad sender address syntax"));
}

TEST(Session, ClosesWhenTheCallerRefusesTheConnection) {
  const auto settings = test_settings();
  expect_script("S: 421 4.3.2 Too many connections\nX:", settings,
                refusing(Action::phase_connect, {421, "4.3.2", "Too many connections"}));
}

TEST(Session, KeepsTheFormerGreetingWhenTheCallerRefusesANewOne) {
  const auto settings = test_settings();
  const Host host{0, [](Action action, const smtp::Session& session) -> std::optional<Reply> {
                    if (action != Action::phase_helo) return {};
                    if (session.envelope().helo != "evil") return {};
                    return Reply{550, "5.7.1", "No"};
                  }};
  const Played played = expect_script(R"(
    S: 220
    C: HELO good
    S: 250
    C: MAIL FROM:<a@b>
    S: 250
    C: HELO evil
    S: 550 5.7.1 No
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    C: .
    S: 250
    M:)",
                                      settings, host);
  EXPECT_EQ(played.messages.at(0).envelope.helo, "good");
}

TEST(Session, DropsTheSenderThatTheCallerRefuses) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 451 4.7.1 Later
    C: RCPT TO:<c@d>
    S: 503 5.5.1
    C: MAIL FROM:<a@b>
    S: 451 4.7.1 Later)",
                settings, refusing(Action::phase_mail, {451, "4.7.1", "Later"}));
}

TEST(Session, DropsTheRecipientThatTheCallerRefuses) {
  const auto settings = test_settings();
  const Host host{0, [](Action action, const smtp::Session& session) -> std::optional<Reply> {
                    if (action != Action::phase_rcpt) return {};
                    if (session.envelope().recipients.back().address != "no@d") return {};
                    return Reply{550, "5.1.1", "Unknown"};
                  }};
  const Played played = expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<no@d>
    S: 550 5.1.1 Unknown
    C: DATA
    S: 554 5.5.1 No valid recipients
    C: RCPT TO:<yes@d>
    S: 250
    C: RCPT TO:<no@d>
    S: 550
    C: DATA
    S: 354
    C: .
    S: 250
    M:)",
                                      settings, host);
  ASSERT_EQ(played.messages.at(0).envelope.recipients.size(), 1U);
  EXPECT_EQ(played.messages.at(0).envelope.recipients[0].address, "yes@d");
}

TEST(Session, EndsTheTransactionWhenTheCallerRefusesData) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 452 4.3.1 No room
    C: DATA
    S: 503 5.5.1)",
                settings, refusing(Action::body_start, {452, "4.3.1", "No room"}));
}

TEST(Session, GoesOnAfterAMessageThatTheCallerRefuses) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    C: .
    S: 554 5.7.1 Spam
    C: RCPT TO:<c@d>
    S: 503 5.5.1
    C: DATA
    S: 503 5.5.1)",
                settings, refusing(Action::body_end, {554, "5.7.1", "Spam"}));
}

TEST(Session, ClosesAfterAnyReplyOf421And521) {
  const auto settings = test_settings();
  for (const Reply& gone : {Reply{421, "4.3.2", "Shutting down"}, Reply{521, "5.3.2", "No mail"}}) {
    smtp::ReplyWriter writer;
    writer.write(gone);
    const std::string line = writer.text();
    for (const Action at : {Action::phase_connect, Action::phase_helo, Action::phase_mail,
                            Action::phase_rcpt, Action::body_start, Action::body_end}) {
      const Played played = play_whole(settings, refusing(at, gone),
                                       "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n");
      EXPECT_TRUE(played.closed);
      EXPECT_THAT(played.replies, testing::EndsWith(line));
    }
  }
}

TEST(Session, RefusesAClientThatTalksBeforeTheBanner) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view none;
  ASSERT_EQ(session.next(none), Action::phase_connect);
  session.early_talker();
  std::string_view input = "EHLO c\r\n";
  EXPECT_EQ(session.next(input), Action::refused);
  EXPECT_EQ(session.next(input), Action::close);
  EXPECT_THAT(session.replies(), testing::StartsWith("554 5.5.0 "));
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

// RFC 5321 4.1.4: a client that is refused at HELO does not get to MAIL by going on.
TEST(Session, ARefusalAtHeloHoldsUntilAHeloPasses) {
  const auto settings = test_settings();
  const Host host{0, [](Action action, const smtp::Session& session) {
                    const bool bad = action == Action::phase_helo &&
                                     session.envelope().helo.find("good") == std::string::npos;
                    return bad ? std::optional(Reply{451, "4.7.1", "Not now"}) : std::nullopt;
                  }};
  expect_script(R"(
    S: 220
    C: EHLO bad
    S: 451 4.7.1 Not now
    C: MAIL FROM:<a@b>
    S: 451 4.7.1 Not now
    C: RCPT TO:<c@d>
    S: 503
    C: HELO good
    S: 250
    C: MAIL FROM:<a@b>
    S: 250
    C: RSET
    S: 250
    C: EHLO bad
    S: 451
    C: MAIL FROM:<a@b>
    S: 451 4.7.1 Not now)",
                settings, host);
}

// RFC 5321 4.3.2: 220, 421 or 554, and nothing else.
TEST(Session, ATempfailAtConnectIs421) {
  const auto settings = test_settings();
  const Played played =
      play_whole(settings, refusing(Action::phase_connect, {451, "4.7.1", "Not now"}), "");
  EXPECT_EQ(played.replies, "421 4.7.1 Not now\r\n");
  EXPECT_TRUE(played.closed);
}

TEST(Session, SaysWhatItRefused) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  ASSERT_EQ(session.next(input), Action::phase_connect);
  session.proceed();
  const auto refusal_of = [&](std::string_view line) {
    input = line;
    EXPECT_EQ(session.next(input), Action::refused);
    return session.refusal();
  };
  auto refusal = refusal_of("mail FROM:<a b@c>\r\n");
  EXPECT_EQ(refusal.verb, "MAIL");
  EXPECT_EQ(refusal.argument, "FROM:<a b@c>");
  EXPECT_EQ(refusal.code, 501u);
  refusal = refusal_of("RCPT TO:<a@b>\r\n");
  EXPECT_EQ(refusal.verb, "RCPT");
  EXPECT_EQ(refusal.argument, "TO:<a@b>");
  refusal = refusal_of("AUTH PLAIN c2VjcmV0\r\n");
  EXPECT_EQ(refusal.verb, "AUTH");
  EXPECT_EQ(refusal.argument, "") << "no password in the log";
  refusal = refusal_of("c2VjcmV0\r\n");
  EXPECT_EQ(refusal.verb, "");
  EXPECT_EQ(refusal.argument, "");
}

TEST(Session, AnAddressThatIsNotUtf8SaysSo) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a\xff@b> SMTPUTF8
    S: 501 5.1.7 Sender address is not UTF-8
    C: MAIL FROM:<a@b> SMTPUTF8
    S: 250
    C: RCPT TO:<\xff@b>
    S: 501 5.1.3 Recipient address is not UTF-8)",
                settings);
}

TEST(Session, ASizeBeyond64BitsIsTooLarge) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b> SIZE=99999999999999999999
    S: 552 5.3.4)",
                settings, limited(1000));
}

}  // namespace
}  // namespace lsmtpd::test
