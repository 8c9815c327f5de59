// SPDX-License-Identifier: Apache-2.0
// AUTH (RFC 4954) in the dialogue.
#include <gtest/gtest.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

constexpr uint32_t kAll = 7;

// Inside TLS; the user is "user" with the password "secret".
Host users(bool required = false) {
  Host host;
  host.mechanisms = kAll;
  host.require_auth = required;
  host.tls = std::make_shared<const message::Tls>();
  host.users = [](smtp::Credentials& given) {
    const bool external = given.mechanism == smtp::Mechanism::external;
    const bool right = given.user == "user" && given.password.view() == "secret";
    return external ? std::string("device") : right ? given.user : std::string();
  };
  return host;
}

Played expect(std::string_view script, const Host& host = users()) {
  return expect_script("S: 220\nC: EHLO c\n" + std::string(R"(
    S: 250-mx.test
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-DSN
    S: 250-SIZE
    S: 250-LIMITS
    S: 250-AUTH PLAIN LOGIN
    S: 250-VRFY
    S: 250 HELP
)") + std::string(script),
                       test_settings(), host);
}

TEST(Auth, TakesPlainWithAnInitialResponse) {
  const Played played = expect(R"(
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 235 2.7.0 Authentication successful
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 503 5.5.1 Already authenticated
    C: MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: x\r\n.\r\n
    S: 250
    M: x\r\n)");
  const message::Envelope& envelope = played.messages.at(0).envelope;
  ASSERT_TRUE(envelope.auth);
  EXPECT_EQ(envelope.auth->user, "user");
  EXPECT_EQ(envelope.auth->mechanism, "PLAIN");
  EXPECT_EQ(envelope.protocol, "ESMTPSA");
  EXPECT_EQ(envelope.parameters, "AUTH=e+3Dmc2@example.com");
}

TEST(Auth, TakesPlainAndLoginAfterChallenges) {
  expect(R"(
    C: AUTH PLAIN
    S: 334 
    C: AHVzZXIAd3Jvbmc=
    S: 535 5.7.8 Authentication credentials invalid
    C: auth login
    S: 334 VXNlcm5hbWU6
    C: dXNlcg==
    S: 334 UGFzc3dvcmQ6
    C: c2VjcmV0
    S: 235)");
}

TEST(Auth, RefusesExchangesThatGoWrong) {
  expect(R"(
    C: AUTH LOGIN
    S: 334
    C: *
    S: 501 5.7.0 Authentication cancelled
    C: AUTH PLAIN ?
    S: 501 5.5.2 Cannot decode the response
    C: AUTH PLAIN
    S: 334
    C: MAIL FROM:<a@b>
    S: 501 5.5.2
    C: AUTH CRAM-MD5
    S: 504 5.5.4 Unrecognized authentication type
    C: AUTH EXTERNAL =
    S: 504 5.5.4
    C: AUTH
    S: 501 5.5.4
    C: MAIL FROM:<a@b>
    S: 250
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 503 5.5.1 AUTH inside a transaction)");
}

TEST(Auth, ALineThatIsTooLongEndsTheExchange) {
  expect("C: AUTH PLAIN\nS: 334\nC: " + std::string(5000, 'A') +
         "\nS: 500 5.5.6 Authentication exchange line is too long\nC: NOOP\nS: 250");
}

TEST(Auth, IsNeverOfferedOrTakenOutsideTls) {
  Host host = users(true);
  host.tls = nullptr;
  const Played played = play_whole(test_settings(), host,
                                   "EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<a@b>\r\n");
  EXPECT_EQ(played.replies.find("AUTH PLAIN"), std::string::npos);
  EXPECT_NE(played.replies.find("538 5.7.11 Encryption required"), std::string::npos);
  EXPECT_NE(played.replies.find("530 5.7.0 Authentication required"), std::string::npos);
}

TEST(Auth, NeedsEhlo) {
  expect_script(R"(
    S: 220
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 503 5.5.1 Send EHLO first
    C: HELO c
    S: 250
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 503 5.5.1 Send EHLO first)",
                test_settings(), users());
}

TEST(Auth, WhereItIsOffItIsNotImplemented) {
  Host host;
  host.tls = std::make_shared<const message::Tls>();
  const Played played =
      play_whole(test_settings(), host, "EHLO c\r\nAUTH PLAIN x\r\nMAIL FROM:<a@b> AUTH=<>\r\n");
  EXPECT_NE(played.replies.find("502 5.5.1"), std::string::npos);
  EXPECT_NE(played.replies.find("555 5.5.4"), std::string::npos);
}

TEST(Auth, WhereItIsRequiredMailNeedsIt) {
  expect(R"(
    C: MAIL FROM:<a@b>
    S: 530 5.7.0 Authentication required
    C: VRFY a
    S: 530
    C: RSET
    S: 250
    C: NOOP
    S: 250
    C: HELP
    S: 214
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 235
    C: MAIL FROM:<a@b> AUTH=<>
    S: 250)",
         users(true));
}

TEST(Auth, ExternalIsForACertificateThatWasChecked) {
  Host host = users();
  message::Tls tls;
  tls.client_verified = true;
  host.tls = std::make_shared<const message::Tls>(tls);
  const Played played = play_whole(test_settings(), host, "EHLO c\r\nAUTH EXTERNAL =\r\n");
  EXPECT_NE(played.replies.find("250-AUTH PLAIN LOGIN EXTERNAL\r\n"), std::string::npos);
  EXPECT_NE(played.replies.find("235 2.7.0"), std::string::npos);
}

TEST(Auth, ASessionFilterMayTakeItBack) {
  Host host = users();
  host.answer = [](smtp::Action action, const smtp::Session&) -> std::optional<smtp::Reply> {
    if (action != smtp::Action::phase_auth) return {};
    return smtp::Reply{535, "5.7.1", "Not from here"};
  };
  Player player(test_settings(), host);
  player.feed("EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
  EXPECT_NE(player.played().replies.find("535 5.7.1 Not from here"), std::string::npos);
  EXPECT_FALSE(player.session().envelope().auth);
  EXPECT_EQ(player.session().envelope().protocol, "ESMTPS");
}

TEST(Auth, ItHoldsUntilXclientNamesAnotherClient) {
  Host host = users();
  host.xclient = true;
  Player player(test_settings(), host);
  player.feed("EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nEHLO c\r\n");
  EXPECT_TRUE(player.session().envelope().auth);
  player.feed("XCLIENT ADDR=192.0.2.7\r\n");
  EXPECT_FALSE(player.session().envelope().auth);
}

// Neither the log nor the refusal has a part of it.
TEST(Auth, APasswordIsInNoRefusal) {
  Player player(test_settings(), users());
  std::string_view input = "EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0bm8=x\r\n";
  smtp::Session& session = player.session();
  for (;;) {
    const smtp::Action action = session.next(input);
    if (action == smtp::Action::refused) break;
    ASSERT_NE(action, smtp::Action::need_input);
    session.proceed();
  }
  EXPECT_EQ(session.refusal().verb, "AUTH");
  EXPECT_EQ(session.refusal().argument, "");
  EXPECT_TRUE(session.take_secret_seen());
  EXPECT_FALSE(session.take_secret_seen());
}

TEST(Auth, GuessesCountAsErrors) {
  auto settings = test_settings();
  settings.errors = 2;
  const std::string guess = "AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n";
  const Played played = play_whole(settings, users(), "EHLO c\r\n" + guess + guess + guess);
  EXPECT_TRUE(played.closed);
  EXPECT_NE(played.replies.find("421 4.7.0 Too many errors"), std::string::npos);
}

}  // namespace
}  // namespace lsmtpd::test
