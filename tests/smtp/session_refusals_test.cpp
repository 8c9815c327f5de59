// SPDX-License-Identifier: Apache-2.0
// Refusals of a session: its own, and those that its caller decides.
#include "smtp/session.hpp"

#include <gmock/gmock.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using smtp::Action;
using smtp::Reply;
using testing::ElementsAre;

Host refusing(Action at, Reply reply) {
  return {0, [=](Action action, const smtp::Session&) {
            return action == at ? std::optional(reply) : std::nullopt;
          }};
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
