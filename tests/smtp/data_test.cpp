// SPDX-License-Identifier: Apache-2.0
// DATA: sizes, loops and long lines.
#include <gmock/gmock.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

constexpr std::string_view opening = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

TEST(Data, TakesAMessageAsLargeAsTheLimit) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b> SIZE=8
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: ..345\r\n\r\n.\r\n
    S: 250
    M: .345\r\n\r\n)",
                settings, limited(8));
}

TEST(Data, RefusesALargerOneAtItsEndAndTheSessionGoesOn) {
  const auto settings = test_settings();
  const Played played = expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: 1234567\r\n.\r\n
    S: 552 5.3.4
    C: DATA
    S: 503
    C: MAIL FROM:<a@b> SIZE=9
    S: 552 5.3.4
    C: RCPT TO:<c@d>
    S: 503
    C: MAIL FROM:<a@b>
    S: 250)",
                                      settings, limited(8));
  EXPECT_EQ(played.discarded, 1U);
}

TEST(Data, ClosesPastTwiceTheLimit) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: 1234567890123456\r\n1
    S: 552 5.3.4
    X:)",
                settings, limited(8));
}

TEST(Data, KeepsALineOfAnyLength) {
  const auto settings = test_settings();
  const std::string line(10'000'000, 'x');
  const Played played =
      play_random(settings, limited(20'000'000), std::string(opening) + line + "\r\n.\r\n", 1);
  ASSERT_EQ(played.messages.size(), 1U);
  EXPECT_EQ(played.messages[0].body, line + "\r\n");
}

TEST(Data, RefusesAMailLoop) {
  auto settings = test_settings();
  settings.received_headers = 3;
  const Played played = expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: Received: 1\r\nRECEIVED: 2\r\nX: y\r\nreceived: 3\r\n\r\nReceived: body\r\n.\r\n
    S: 250
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: Received: 1\r\nRECEIVED: 2\r\nX: y\r\nreceived: 3\r\nReceived:4\r\n\r\n.\r\n
    S: 554 5.4.6
    C: NOOP
    S: 250
    M: Received: 1\r\nRECEIVED: 2\r\nX: y\r\nreceived: 3\r\n\r\nReceived: body\r\n)",
                                      settings);
  EXPECT_EQ(played.discarded, 1U);
}

TEST(Data, TellsOfALoopOrOfTheSizeWhicheverComesFirst) {
  auto settings = test_settings();
  settings.received_headers = 0;
  const std::string before =
      "S: 220\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<a@b>\nS: 250\nC: DATA\nS: 354\n";
  expect_script(before + "R: Received:\\r\\n1234\\r\\n.\\r\\n\nS: 554 5.4.6", settings, limited(9));
  expect_script(before + "R: Received:\\r\\n.\\r\\n\nS: 552 5.3.4", settings, limited(8));
}

TEST(Data, SaysInTheLogHowBareLfCouldBeAllowed) {
  const auto settings = test_settings();
  const Played played = play_whole(settings, {}, std::string(opening) + "a\nb\r\n.\r\n");
  EXPECT_THAT(played.refusals, testing::ElementsAre(testing::HasSubstr("bare_lf = \"normalize\"")));
}

TEST(Data, TakesALimitSetWhileMailIsChecked) {
  const auto settings = test_settings();
  smtp::Session session(settings);
  std::string_view input;
  session.next(input);
  session.proceed();
  input = "MAIL FROM:<a@b> SIZE=100\r\n";
  ASSERT_EQ(session.next(input), smtp::Action::phase_mail);
  session.set_size_limit(99);
  session.proceed();
  EXPECT_EQ(session.next(input), smtp::Action::refused);
  EXPECT_THAT(session.replies(), testing::EndsWith("552 5.3.4 Message too large\r\n"));
  EXPECT_FALSE(session.in_transaction());
}

}  // namespace
}  // namespace lsmtpd::test
