// SPDX-License-Identifier: Apache-2.0
// Hostile inputs and what each gets, as a table: a new case is a new entry. Every one is played
// whole, octet by octet and cut at random. `opening` is a transaction up to the 354; a script that
// begins with it goes on inside the data.
#include <gtest/gtest.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

constexpr std::string_view opening = R"(
    S: 220
    C: EHLO c
    S: 250-mx
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
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
)";

struct Case {
  std::string_view name;
  bool in_data;
  std::string_view script;
};

// The text that a smuggler puts behind a false end, and the true end after it: all of it is content
// of one refused message.
#define SMUGGLED R"(MAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nFrom: evil\r\n\r\nx\r\n.\r\n)"

constexpr Case false_ends[] = {
    {"lf_dot_lf", true, R"(
      R: x\n.\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <LF>
      X:)"},
    {"lf_dot_crlf", true, R"(
      R: x\n.\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <LF>
      X:)"},
    {"crlf_dot_lf", true, R"(
      R: x\r\n.\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <LF>
      X:)"},
    {"cr_dot_cr", true, R"(
      R: x\r.\r)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"cr_dot_lf", true, R"(
      R: x\r.\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"lf_dot_cr", true, R"(
      R: x\n.\r)" SMUGGLED R"(
      S: 554 5.6.0 Bare <LF>
      X:)"},
    {"cr_dot_crlf", true, R"(
      R: x\r.\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"crlf_dot_cr", true, R"(
      R: x\r\n.\r)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"crlf_nul_dot_crlf", true, R"(
      R: x\r\n\0.\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Line of one dot and NUL
      X:)"},
    {"crlf_dot_nul_crlf", true, R"(
      R: x\r\n.\0\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Line of one dot and NUL
      X:)"},
    {"crlf_nuls_dot_nuls_crlf", true, R"(
      R: x\r\n\0\0.\0\0\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Line of one dot and NUL
      X:)"},
    {"crlf_dot_crcrlf", true, R"(
      R: x\r\n.\r\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"crcrlf_dot_crcrlf", true, R"(
      R: x\r\r\n.\r\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"crcrlf_dot_crlf_is_the_true_end", true, R"(
      R: x\r\r\n.\r\n
      S: 554 5.6.0 Bare <CR>
      X:)"},
    {"lf_at_once", true, R"(
      R: \n.\r\n)" SMUGGLED R"(
      S: 554 5.6.0 Bare <LF>
      X:)"},
    {"cr_at_the_end", true, R"(
      R: x\r\r\n.\r\n
      S: 554 5.6.0 Bare <CR>
      X:)"},
};
#undef SMUGGLED

constexpr Case content[] = {
    {"dots_are_unstuffed_once", true, R"(
      R: ..\r\n...\r\n..x\r\nx.\r\n.x\r\n.\r\n
      S: 250
      M: .\r\n..\r\n.x\r\nx.\r\nx\r\n)"},
    {"empty_message", true, R"(
      C: .
      S: 250
      M:)"},
    {"first_line_is_a_stuffed_dot", true, R"(
      R: ..\r\n.\r\n
      S: 250
      M: .\r\n)"},
    {"nul_elsewhere_is_content", true, R"(
      R: \0\r\na\0.\r\n\0\0x\r\n\0..\r\n..\0\r\n\0\r\n.\r\n
      S: 250
      M: \0\r\na\0.\r\n\0\0x\r\n\0..\r\n.\0\r\n\0\r\n)"},
    {"eight_bit_and_invalid_utf8_are_content", true, R"(
      R: \x80\xff\xc3\x28\r\n\x1b[31m%s%n"{}'../\r\n.\r\n
      S: 250
      M: \x80\xff\xc3\x28\r\n\x1b[31m%s%n"{}'../\r\n)"},
    {"first_line_from_mbox", true, R"(
      R: From a@b Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nFrom x\r\n.\r\n
      S: 250
      M: From a@b Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nFrom x\r\n)"},
    {"quit_inside_data_is_data", true, R"(
      C: QUIT)"},
    {"commands_after_a_refused_end_need_mail", true, R"(
      C: .
      S: 250
      C: RCPT TO:<c@d>
      S: 503 5.5.1
      C: DATA
      S: 503 5.5.1
      C: BDAT 4 LAST
      R: abcd
      S: 503 5.5.1
      C: NOOP
      S: 250
      M:)"},
};

constexpr Case commands[] = {
    {"data_without_rcpt", false, R"(
      S: 220
      C: MAIL FROM:<a@b>
      S: 250
      C: DATA
      S: 503 5.5.1)"},
    {"data_with_no_valid_rcpt", false, R"(
      S: 220
      C: MAIL FROM:<a@b>
      S: 250
      C: RCPT TO:<c@d>junk
      S: 501 5.1.3
      C: DATA
      S: 554 5.5.1)"},
    {"nested_mail", false, R"(
      S: 220
      C: MAIL FROM:<a@b>
      S: 250
      C: MAIL FROM:<a@b>
      S: 503 5.5.1
      C: RCPT TO:<c@d>
      S: 250
      C: MAIL FROM:<a@b>
      S: 503 5.5.1)"},
    {"rcpt_before_mail", false, R"(
      S: 220
      C: RCPT TO:<c@d>
      S: 503 5.5.1
      C: DATA
      S: 503 5.5.1)"},
    {"vrfy_leaves_the_transaction", false, R"(
      S: 220
      C: MAIL FROM:<a@b>
      S: 250
      C: VRFY x
      S: 252
      C: RCPT TO:<c@d>
      S: 250
      C: VRFY x
      S: 252
      C: NOOP
      S: 250
      C: HELP
      S: 214
      C: FOO
      S: 500
      C: DATA
      S: 354
      C: .
      S: 250
      M:)"},
    {"bad_syntax_of_addresses", false, R"(
      S: 220
      C: MAIL FROM:<a@b>junk
      S: 501 5.1.7
      C: MAIL FROM:<"a@b>
      S: 501 5.1.7
      C: MAIL FROM:<"a\rb"@c>
      S: 501 5.5.2
      C: MAIL FROM:<a\x01@b>
      S: 501 5.5.2
      C: MAIL FROM:<a\0@b>
      S: 501 5.5.2
      C: MAIL FROM:<a@b
      S: 501 5.1.7
      C: MAIL FROM:<a@b> \x1b[31m
      S: 501 5.5.2
      C: MAIL FROM:<@one,@two:a@b>
      S: 250
      C: RCPT TO:<>
      S: 501 5.1.3
      C: RCPT TO:
      S: 501 5.1.3
      C: RCPT <c@d>
      S: 501 5.5.4
      C: RCPT
      S: 501 5.5.4)"},
    {"lf_inside_quotes", false, R"(
      S: 220
      C: MAIL FROM:<"a\nb"@c>
      S: 500 5.5.2 Bare <LF>
      X:)"},
    {"eight_bit_in_commands", false, R"(
      S: 220
      C: NOOP
      S: 250
      C: NOOP \xe4
      S: 501 5.5.2
      C: EHLO m\xfcnchen
      S: 501 5.5.2
      C: MAIL FROM:<a\xff@b>
      S: 501 5.1.7
      C: MAIL FROM:<a\xff@b> SMTPUTF8
      S: 501 5.1.7
      C: MAIL FROM:<a@b> ENVID=\xc3\xa4
      S: 501 5.5.2
      C: F\xd6\xd6
      S: 501 5.5.2
      C: NOOP
      S: 250)"},
    {"utf8_address_without_smtputf8", false, R"(
      S: 220
      C: MAIL FROM:<\xc3\xa4@b>
      S: 553 5.6.7
      C: MAIL FROM:<a@b>
      S: 250
      C: RCPT TO:<c@\xc3\xa4>
      S: 553 5.6.7
      C: RCPT TO:<c@d>
      S: 250)"},
    {"parameters", false, R"(
      S: 220
      C: MAIL FROM:<a@b> FOO=1
      S: 555 5.5.4
      C: MAIL FROM:<a@b> AUTH=<>
      S: 555 5.5.4
      C: MAIL FROM:<a@b> SIZE=-1
      S: 501 5.5.4
      C: MAIL FROM:<a@b> SIZE=999999999999999999999
      S: 501 5.5.4
      C: MAIL FROM:<a@b> SIZE=999999999999999999999999
      S: 501 5.5.4
      C: MAIL FROM:<a@b> SIZE=1 SIZE=1
      S: 501 5.5.4
      C: MAIL FROM:<a@b> SIZE
      S: 501 5.5.4
      C: MAIL FROM:<a@b> BODY=9BIT
      S: 501 5.5.4
      C: MAIL FROM:<a@b> NOTIFY=NEVER
      S: 555 5.5.4
      C: MAIL FROM:<a@b> =
      S: 501 5.5.4
      C: MAIL FROM:<a@b>
      S: 250
      C: RCPT TO:<c@d> SIZE=1
      S: 555 5.5.4
      C: RCPT TO:<c@d> NOTIFY=NEVER,DELAY
      S: 501 5.5.4)"},
    {"strange_but_valid_addresses", false, R"(
      S: 220
      C: MAIL FROM:<%s%n{}'../|`$x@b>
      S: 250
      C: RCPT TO:<"a b>@\\"c"@[192.0.2.1]>
      S: 250
      C: RCPT TO:<a..b.@x_y.example>
      S: 250
      C: RCPT TO:<postMaster>
      S: 250)"},
    {"http_request", false, R"(
      S: 220
      C: GET / HTTP/1.1
      S: 554 5.5.0
      C: Host: mx
      X:)"},
    {"http_post_with_mail_inside", false, R"(
      S: 220
      C: POST /x HTTP/1.1
      S: 554 5.5.0
      C: MAIL FROM:<a@b>
      X:)"},
    {"tls_hello", false, R"(
      S: 220
      R: \x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03
      S: 554 5.5.0
      X:)"},
    {"random_octets", false, R"(
      S: 220
      R: \x93\x01\x0a\0\xff
      S: 554 5.5.0
      X:)"},
    {"random_octets_after_a_letter", false, R"(
      S: 220
      C: a\x93\x01\0\xff
      S: 554 5.5.0
      X:)"},
    {"bare_lf_after_a_command", false, R"(
      S: 220
      R: EHLO c\n
      S: 500 5.5.2 Bare <LF>
      X:)"},
    {"bare_cr_in_a_command", false, R"(
      S: 220
      C: NOOP
      S: 250
      R: NOOP\rNOOP\r\r\n
      S: 501 5.5.2
      C: NOOP
      S: 250)"},
    {"starttls_with_commands_behind_it", false, R"(
      S: 220
      C: STARTTLS
      S: 502 5.5.1
      C: NOOP
      S: 250)"},
};

class Hostile : public testing::TestWithParam<Case> {};

TEST_P(Hostile, GetsItsReply) {
  const Case& one = GetParam();
  const auto settings = test_settings();
  std::string script(one.in_data ? opening : "");
  script += one.script;
  expect_script(script, settings);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.name);
}

INSTANTIATE_TEST_SUITE_P(FalseEnds, Hostile, testing::ValuesIn(false_ends), name_of);
INSTANTIATE_TEST_SUITE_P(Content, Hostile, testing::ValuesIn(content), name_of);
INSTANTIATE_TEST_SUITE_P(Commands, Hostile, testing::ValuesIn(commands), name_of);

// 14: cut at every octet, in two packets.
TEST(HostileInTwoPackets, GetsItsReplyWhereverItIsCut) {
  const auto settings = test_settings();
  for (const Case& one : false_ends) {
    const Script script(std::string(opening) + std::string(one.script));
    for (size_t cut = 1; cut < script.input.size(); ++cut) {
      bool first = true;
      const Played played = play(settings, {}, script.input, [&] {
        return std::exchange(first, false) ? cut : script.input.size();
      });
      compare(script, played, std::string(one.name) + " cut at " + std::to_string(cut));
    }
  }
}

// The same false ends where LF is normalised: still one message at most, and never one that ended
// early.
TEST(HostileNormalized, FalseEndsNeverEndAMessage) {
  auto settings = test_settings();
  settings.normalize_bare_lf = true;
  for (const Case& one : false_ends) {
    SCOPED_TRACE(one.name);
    const Script script(std::string(opening) + std::string(one.script));
    for (const Played& played :
         {play_whole(settings, {}, script.input), play_octets(settings, {}, script.input)}) {
      ASSERT_LE(played.messages.size(), 1U);
      if (played.messages.empty()) {
        EXPECT_TRUE(played.closed);
      } else if (script.input.find("evil@b") != std::string::npos) {
        EXPECT_NE(played.messages[0].body.find("MAIL FROM:<evil@b>"), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace lsmtpd::test
