// SPDX-License-Identifier: Apache-2.0
// The limits of a session: long lines, errors, idle commands, recipients.
#include <gmock/gmock.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Limits, ACommandLineHas2048OctetsWithItsLineEnd) {
  const auto settings = test_settings();
  const std::string longest = "NOOP " + std::string(2048 - 7, 'x');
  expect_script("S: 220\nC: " + longest + "\nS: 250 2.0.0\nC: " + longest +
                    "x\nS: 500 5.5.2\nC: NOOP\nS: 250",
                settings);
}

TEST(Limits, TenMegabytesWithoutALineEndGetOneReplyAndHoldNoMemory) {
  const auto settings = test_settings();
  Player player(settings, {});
  const std::string part(64 * 1024, 'x');
  for (int i = 0; i < 160; ++i) ASSERT_TRUE(player.feed(part));
  EXPECT_THAT(player.played().replies, EndsWith("500 5.5.2 Command line too long\r\n"));
  EXPECT_TRUE(player.feed("\r\nNOOP\r\n"));
  EXPECT_THAT(player.played().replies, EndsWith("too long\r\n250 2.0.0 Ok\r\n"));
}

// The octets of its chunk would be commands.
TEST(Limits, AnOverlongBdatCloses) {
  const auto settings = test_settings();
  expect_script("S: 220\nR: bdat 30" + std::string(3000, ' ') +
                    "LAST\\r\\nRSET\\r\\n\nS: 500 5.5.2 Command line\nX:",
                settings);
}

TEST(Limits, AnOverlongLineThatEndsInABareLfCloses) {
  const auto settings = test_settings();
  expect_script("S: 220\nR: " + std::string(3000, 'x') +
                    "\\nNOOP\\r\\n\nS: 500 5.5.2 Command line\nS: 500 5.5.2 Bare\nX:",
                settings);
}

TEST(Limits, ErrorsEndTheSession) {
  auto settings = test_settings();
  settings.errors = 3;
  expect_script(
      "S: 220\nC: FOO\nS: 500\nC: DATA\nS: 503\nC: RSET\nS: 250\nC: MAIL\nS: 501\nC: FOO\nS: 421 "
      "4.7.0\nX:",
      settings);
}

TEST(Limits, RecipientsThatTheCallerRefusesCountAsErrors) {
  auto settings = test_settings();
  settings.errors = 3;
  const Host host{0, [](smtp::Action action, const smtp::Session&) -> std::optional<smtp::Reply> {
                    if (action != smtp::Action::phase_rcpt) return {};
                    return smtp::Reply{550, "5.1.1", "Unknown"};
                  }};
  expect_script(
      "S: 220\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<a@b>\nS: 550\nC: RCPT TO:<a@b>\nS: 550\nC: "
      "RCPT TO:<a@b>\nS: "
      "550\nC: RCPT TO:<a@b>\nS: 421 4.7.0\nX:",
      settings, host);
}

TEST(Limits, RecipientsThatAreHeldGetTheirMessageWhateverOthersAreRefused) {
  auto settings = test_settings();
  settings.errors = 3;
  const Host host{0, [](smtp::Action action, const smtp::Session& s) -> std::optional<smtp::Reply> {
                    if (action != smtp::Action::phase_rcpt) return {};
                    if (s.envelope().recipients.back().address == "good@b") return {};
                    return smtp::Reply{550, "5.1.1", "Unknown"};
                  }};
  expect_script(
      "S: 220\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<good@b>\nS: 250\nC: RCPT TO:<1@b>\nS: 550\n"
      "C: RCPT TO:<2@b>\nS: 550\nC: RCPT TO:<3@b>\nS: 550\nC: RCPT TO:<4@b>\nS: 452 4.5.3\n"
      "C: RCPT TO:<good@b>\nS: 452 4.5.3\nC: DATA\nS: 354\nC: x\nC: .\nS: 250\n"
      "C: QUIT\nS: 221\nM: x\\r\\n\nX:",
      settings, host);
}

TEST(Limits, CommandsWithoutMailEndTheSession) {
  auto settings = test_settings();
  settings.commands = 1000;
  settings.errors = 10'000;
  for (const std::string_view command :
       {"NOOP\r\n", "RSET\r\n", "FOO\r\n", "HELO c\r\n", "VRFY x\r\n", "\r\n"}) {
    const Played played = play_whole(settings, {}, repeat(command, 10'000));
    EXPECT_TRUE(played.closed);
    EXPECT_THAT(played.replies,
                EndsWith("421 4.7.0 Too many commands without mail, closing connection\r\n"));
    EXPECT_EQ(lines_of(played.replies).size(), 1U + 1000 + 1);
  }
}

TEST(Limits, AMessageAcceptedClearsTheCounts) {
  auto settings = test_settings();
  settings.commands = 3;
  settings.errors = 1;
  const std::string once = "RSET\r\nNOOP\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n";
  const Played played = play_whole(settings, {}, repeat(once, 20));
  EXPECT_FALSE(played.closed);
  EXPECT_EQ(played.messages.size(), 20U);
}

TEST(Limits, RecipientOverTheLimitIsRefusedAndTheOthersAreKept) {
  const auto settings = test_settings();
  std::string input = "MAIL FROM:<>\r\n" + repeat("RCPT TO:<a@b>\r\n", 1001) + "DATA\r\n.\r\n";
  const Played played = play_whole(settings, {}, input);
  EXPECT_THAT(played.replies, HasSubstr("250 2.1.5 Ok\r\n452 4.5.3 Too many recipients\r\n354 "));
  EXPECT_EQ(played.messages.at(0).envelope.recipients.size(), 1000U);
}

TEST(Limits, AGreetingHas255Octets) {
  const auto settings = test_settings();
  expect_script("S: 220\nC: HELO " + std::string(255, 'x') + "\nS: 250\nC: HELO " +
                    std::string(256, 'x') + "\nS: 501 5.5.4",
                settings);
}

// RFC 5321 4.5.3.1.10: those that were accepted are to get their message.
TEST(Limits, RecipientsOverTheLimitDoNotEndTheSessionOfThoseThatAreHeld) {
  auto settings = test_settings();
  settings.recipients = 2;
  settings.commands = 3;
  settings.errors = 3;
  expect_script("S: 220\nC: MAIL FROM:<a@b>\nS: 250\n" + repeat("C: RCPT TO:<c@d>\nS: 250\n", 2) +
                    repeat("C: RCPT TO:<c@d>\nS: 452 4.5.3\n", 20) +
                    "C: DATA\nS: 354\nC: x\nC: .\nS: 250 2.0.0 Ok: queued\nM: x\\r\\n",
                settings);
}

}  // namespace
}  // namespace lsmtpd::test
