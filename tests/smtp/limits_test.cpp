// What a client may not do for ever: long lines, errors, idle commands, recipients.
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

TEST(Limits, a_command_line_has_2048_octets_with_its_line_end) {
  const auto settings = test_settings();
  const std::string longest = "NOOP " + std::string(2048 - 7, 'x');
  expect_script("S: 220\nC: " + longest + "\nS: 250 2.0.0\nC: " + longest +
                    "x\nS: 500 5.5.2\nC: NOOP\nS: 250",
                settings);
}

TEST(Limits, ten_megabytes_without_a_line_end_get_one_reply_and_hold_no_memory) {
  const auto settings = test_settings();
  Player player(settings, {});
  const std::string part(64 * 1024, 'x');
  for (int i = 0; i < 160; ++i) ASSERT_TRUE(player.feed(part));
  EXPECT_THAT(player.played().replies, EndsWith("500 5.5.2 Command line too long\r\n"));
  EXPECT_TRUE(player.feed("\r\nNOOP\r\n"));
  EXPECT_THAT(player.played().replies, EndsWith("too long\r\n250 2.0.0 Ok\r\n"));
}

// The octets of its chunk would be commands.
TEST(Limits, an_overlong_bdat_closes) {
  const auto settings = test_settings();
  expect_script("S: 220\nR: bdat 30" + std::string(3000, ' ') +
                    "LAST\\r\\nRSET\\r\\n\nS: 500 5.5.2 Command line\nX:",
                settings);
}

TEST(Limits, an_overlong_line_that_ends_in_a_bare_lf_closes) {
  const auto settings = test_settings();
  expect_script("S: 220\nR: " + std::string(3000, 'x') +
                    "\\nNOOP\\r\\n\nS: 500 5.5.2 Command line\nS: 500 5.5.2 Bare\nX:",
                settings);
}

TEST(Limits, errors_end_the_session) {
  auto settings = test_settings();
  settings.errors = 3;
  expect_script(
      "S: 220\nC: FOO\nS: 500\nC: DATA\nS: 503\nC: RSET\nS: 250\nC: MAIL\nS: 501\nC: FOO\nS: 421 "
      "4.7.0\nX:",
      settings);
}

TEST(Limits, recipients_that_the_caller_refuses_count_as_errors) {
  auto settings = test_settings();
  settings.errors = 3;
  const Host host{0, [](smtp::Action action, const smtp::Session&) -> std::optional<smtp::Reply> {
                    if (action != smtp::Action::check_rcpt) return {};
                    return smtp::Reply{550, "5.1.1", "Unknown"};
                  }};
  expect_script(
      "S: 220\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<a@b>\nS: 550\nC: RCPT TO:<a@b>\nS: 550\nC: "
      "RCPT TO:<a@b>\nS: "
      "550\nC: RCPT TO:<a@b>\nS: 421 4.7.0\nX:",
      settings, host);
}

TEST(Limits, commands_without_mail_end_the_session) {
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

TEST(Limits, a_message_accepted_clears_the_counts) {
  auto settings = test_settings();
  settings.commands = 3;
  settings.errors = 1;
  const std::string once = "RSET\r\nNOOP\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n";
  const Played played = play_whole(settings, {}, repeat(once, 20));
  EXPECT_FALSE(played.closed);
  EXPECT_EQ(played.messages.size(), 20U);
}

TEST(Limits, one_recipient_too_many_is_refused_and_the_others_are_kept) {
  const auto settings = test_settings();
  std::string input = "MAIL FROM:<>\r\n" + repeat("RCPT TO:<a@b>\r\n", 1001) + "DATA\r\n.\r\n";
  const Played played = play_whole(settings, {}, input);
  EXPECT_THAT(played.replies, HasSubstr("250 2.1.5 Ok\r\n452 4.5.3 Too many recipients\r\n354 "));
  EXPECT_EQ(played.messages.at(0).envelope.recipients.size(), 1000U);
}

TEST(Limits, recipients_too_many_may_not_go_on_for_ever) {
  const auto settings = test_settings();
  const Played played =
      play_whole(settings, {}, "MAIL FROM:<>\r\n" + repeat("RCPT TO:<a@b>\r\n", 10'000));
  EXPECT_TRUE(played.closed);
  EXPECT_THAT(played.replies,
              EndsWith("421 4.7.0 Too many commands without mail, closing connection\r\n"));
}

TEST(Limits, a_greeting_has_255_octets) {
  const auto settings = test_settings();
  expect_script("S: 220\nC: HELO " + std::string(255, 'x') + "\nS: 250\nC: HELO " +
                    std::string(256, 'x') + "\nS: 501 5.5.4",
                settings);
}

}  // namespace
}  // namespace lsmtpd::test
