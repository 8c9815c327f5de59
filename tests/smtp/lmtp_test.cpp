// SPDX-License-Identifier: Apache-2.0
// LMTP (RFC 2033): LHLO, and one reply for each recipient.
#include <gtest/gtest.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

smtp::Settings lmtp_settings() {
  auto settings = test_settings();
  settings.lmtp = true;
  settings.recipients = 1000;
  return settings;
}

constexpr std::string_view greeting = R"(
    S: 220 mx.test LMTP lsmtpd
    C: LHLO c
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
    S: 250-VRFY
    S: 250 HELP
    C: MAIL FROM:<a@b>
    S: 250
)";

Played expect_lmtp(std::string_view script, const Host& host = {}) {
  const auto settings = lmtp_settings();
  return expect_script(std::string(greeting) + std::string(script), settings, host);
}

TEST(Lmtp, TakesLhloOnly) {
  const auto settings = lmtp_settings();
  expect_script(R"(
    S: 220 mx.test LMTP lsmtpd
    C: HELO c
    S: 500 5.5.1
    C: EHLO c
    S: 500 5.5.1)",
                settings);
}

TEST(Lmtp, PastTwiceTheSizeLimitEachRecipientHearsOfIt) {
  expect_lmtp(R"(
    C: RCPT TO:<one@d>
    S: 250
    C: RCPT TO:<two@d>
    S: 250
    C: DATA
    S: 354
    R: 1234567890123456\r\n1
    S: 552 5.3.4
    S: 552 5.3.4
    X:)",
              limited(8));
}

// A chunk that is not the last one has one reply (RFC 3030 2, RFC 2033 4.2).
TEST(Lmtp, PastTwiceTheSizeLimitInAChunkEachRecipientHearsOfItWhereItIsTheLast) {
  const std::string to_two = R"(
    C: RCPT TO:<one@d>
    S: 250
    C: RCPT TO:<two@d>
    S: 250)";
  expect_lmtp(to_two + R"(
    C: BDAT 20
    R: 12345678901234567
    S: 552 5.3.4
    X:)",
              limited(8));
  expect_lmtp(to_two + R"(
    C: BDAT 20 LAST
    R: 12345678901234567
    S: 552 5.3.4
    S: 552 5.3.4
    X:)",
              limited(8));
}

TEST(Lmtp, RepeatsTheVerdictForEachRecipient) {
  const Played played = expect_lmtp(R"(
    C: RCPT TO:<one@d>
    S: 250
    C: RCPT TO:<two@d
    S: 501
    C: RCPT TO:<three@d>
    S: 250
    C: DATA
    S: 354
    C: .
    S: 250 2.0.0 Ok: queued
    S: 250 2.0.0 Ok: queued
    C: QUIT
    S: 221
    M:
    X:)");
  EXPECT_EQ(played.messages.at(0).envelope.protocol, "LMTP");
}

TEST(Lmtp, RepeatsItsOwnRefusalForEachRecipient) {
  expect_lmtp(R"(
    C: RCPT TO:<one@d>
    S: 250
    C: RCPT TO:<two@d>
    S: 250
    C: DATA
    S: 354
    R: a\nb\r\n.\r\n
    S: 554 5.6.0
    S: 554 5.6.0
    X:)");
}

TEST(Lmtp, AnswersBdatLastForEachRecipientAndOtherChunksOnce) {
  expect_lmtp(R"(
    C: RCPT TO:<one@d>
    S: 250
    C: RCPT TO:<two@d>
    S: 250
    C: BDAT 2
    R: ab
    S: 250 2.0.0
    C: BDAT 2 LAST
    R: \r\n
    S: 250 2.0.0 Ok: queued
    S: 250 2.0.0 Ok: queued
    M: ab\r\n)");
}

TEST(Lmtp, NeedsARecipientForData) {
  expect_lmtp(R"(
    C: DATA
    S: 503 5.5.1
    C: RCPT TO:<x
    S: 501
    C: DATA
    S: 503 5.5.1)");
}

}  // namespace
}  // namespace lsmtpd::test
