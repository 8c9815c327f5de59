// SPDX-License-Identifier: Apache-2.0
// CHUNKING and BINARYMIME (RFC 3030).
#include <gmock/gmock.h>

#include "smtp_script.hpp"

namespace lsmtpd::test {
namespace {

using smtp::Action;
using smtp::Reply;

Played expect_bdat(std::string_view script, const Host& host = {}, bool normalize = false) {
  auto settings = test_settings();
  settings.normalize_bare_lf = normalize;
  return expect_script(
      "S: 220\nC: MAIL FROM:<a@b>\nS: 250\nC: RCPT TO:<c@d>\nS: 250\n" + std::string(script),
      settings, host);
}

TEST(Bdat, JoinsItsChunks) {
  expect_bdat(R"(
    C: BDAT 10
    R: Subject: x
    S: 250 2.0.0
    C: BDAT 0
    S: 250 2.0.0
    C: bdat 9 last
    R: \r\n\r\n.\r\n.y
    S: 250 2.0.0 Ok: queued
    M: Subject: x\r\n\r\n.\r\n.y)");
}

TEST(Bdat, EndsWithAnEmptyChunkAndMayBeEmpty) {
  expect_bdat(R"(
    C: BDAT 3
    R: x\r\n
    S: 250
    C: BDAT 0 LAST
    S: 250 2.0.0 Ok: queued
    C: MAIL FROM:<>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 0 LAST
    S: 250 2.0.0 Ok: queued
    M: x\r\n
    M:)");
}

TEST(Bdat, MaySplitALineEnd) {
  expect_bdat(
      "C: BDAT 2\nR: x\\r\nS: 250\nC: BDAT 2 LAST\nR: \\ny\nS: 250 2.0.0 Ok: queued\nM: x\\r\\ny");
}

TEST(Bdat, RefusesBareCrAndLfAtLastAndTheSessionGoesOn) {
  for (const char* chunk : {"a\\nb", "a\\rb", "ab\\r", "\\nab", "\\rab"}) {
    SCOPED_TRACE(chunk);
    const bool lf = std::string_view(chunk).find("\\n") != std::string_view::npos;
    expect_bdat("C: BDAT 3 LAST\nR: " + std::string(chunk) + "\nS: 554 5.6.0 Bare " +
                (lf ? "<LF>" : "<CR>") +
                "\nC: RCPT TO:<c@d>\nS: 503 5.5.1\nC: MAIL FROM:<>\nS: 250");
  }
}

TEST(Bdat, NormalisesBareLfWhereTheListenerSaysSo) {
  expect_bdat("C: BDAT 8 LAST\nR: a\\n.\\n\\r\\nb\\n\nS: 250\nM: a\\r\\n.\\r\\n\\r\\nb\\r\\n", {},
              true);
}

TEST(Bdat, TellsOfABareLfInAnEarlierChunkAtLast) {
  const Played played = expect_bdat(R"(
    C: BDAT 3
    R: a\nb
    S: 250 2.0.0
    C: BDAT 4
    R: QUIT
    S: 250 2.0.0
    C: DATA
    S: 503 5.5.1
    C: BDAT 2 LAST
    R: \r\n
    S: 554 5.6.0 Bare <LF>
    C: MAIL FROM:<c@d>
    S: 250)");
  EXPECT_EQ(played.discarded, 1U);
}

TEST(Bdat, ForgetsABareLfAtRset) {
  expect_bdat(R"(
    C: BDAT 3
    R: a\nb
    S: 250
    C: RSET
    S: 250
    C: MAIL FROM:<c@d>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 2 LAST
    R: \r\n
    S: 250
    M: \r\n)");
}

TEST(Bdat, StaysFailedUntilRset) {
  Host host;
  host.size_limit = 8;
  const Played played = expect_bdat(R"(
    C: BDAT 3
    R: abc
    S: 250
    C: BDAT 6
    R: QUIT\r\n
    S: 552 5.3.4
    C: BDAT 4
    R: QUIT
    S: 503 5.5.1
    C: DATA
    S: 503 5.5.1
    C: RCPT TO:<c@d>
    S: 503 5.5.1
    C: MAIL FROM:<c@d>
    S: 503 5.5.1
    C: RSET
    S: 250
    C: MAIL FROM:<c@d>
    S: 250)",
                                    host);
  EXPECT_EQ(played.discarded, 1U);
}

TEST(Bdat, TakesAnythingAsBinary) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b> BODY=BINARYMIME
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 503 5.5.1
    C: BDAT 8 LAST
    R: \r\0\n.\n\xff\n\r
    S: 250
    M: \r\0\n.\n\xff\n\r)",
                settings);
}

TEST(Bdat, IsNotMixedWithData) {
  expect_bdat(R"(
    C: BDAT 3
    R: x\r\n
    S: 250
    C: DATA
    S: 503 5.5.1
    C: RCPT TO:<e@f>
    S: 503 5.5.1
    C: MAIL FROM:<e@f>
    S: 503 5.5.1
    C: VRFY x
    S: 252
    C: BDAT 0 LAST
    S: 250
    M: x\r\n)");
}

TEST(Bdat, DrainsAChunkWithoutATransaction) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: BDAT 14 LAST
    R: QUIT\r\nQUIT\r\n..
    S: 503 5.5.1 Send MAIL first
    C: MAIL FROM:<a@b>
    S: 250
    C: BDAT 6
    R: QUIT\r\n
    S: 503 5.5.1 Send RCPT first
    C: RCPT TO:<c@d
    S: 501
    C: BDAT 6 LAST
    R: QUIT\r\n
    S: 554 5.5.1
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 2 LAST
    R: \r\n
    S: 250
    M: \r\n)",
                settings);
}

TEST(Bdat, ClosesWhereItsSizeCannotBeRead) {
  for (const char* size : {"", "x", "-1", "+1", "1x", "1 FIRST", "1LAST", "18446744073709551616",
                           "99999999999999999999999", "1 LAST LAST", "0x10", "1\\x01", "1\\xe4"}) {
    SCOPED_TRACE(size);
    expect_bdat("C: BDAT " + std::string(size) + "\nS: 501 5.5.\nC: NOOP\nX:");
  }
}

TEST(Bdat, DiscardsAtRsetAndANewGreeting) {
  for (const char* command : {"RSET", "HELO c"}) {
    const Played played = expect_bdat("C: BDAT 2\nR: ab\nS: 250\nC: " + std::string(command) +
                                      "\nS: 250\nC: BDAT 2\nR: ab\nS: 503 5.5.1\nC: DATA\nS: 503");
    EXPECT_EQ(played.discarded, 1U);
  }
}

TEST(Bdat, AnswersARefusalOfTheCallerAfterTheChunk) {
  const Host host{0, [](Action action, const smtp::Session&) -> std::optional<Reply> {
                    if (action != Action::body_start) return {};
                    return Reply{452, "4.3.1", "No room"};
                  }};
  const Played played = expect_bdat(R"(
    C: BDAT 6
    R: QUIT\r\n
    S: 452 4.3.1 No room
    C: BDAT 6 LAST
    R: QUIT\r\n
    S: 503 5.5.1
    C: MAIL FROM:<>
    S: 250)",
                                    host);
  EXPECT_EQ(played.discarded, 0U);
}

TEST(Bdat, HoldsTheSumOfItsChunksAgainstTheLimit) {
  Host host;
  host.size_limit = 8;
  expect_bdat(R"(
    C: BDAT 8 LAST
    R: 12345678
    S: 250
    C: MAIL FROM:<>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 4
    R: 1234
    S: 250
    C: BDAT 5
    R: 56789
    S: 552 5.3.4
    C: BDAT 4 LAST
    R: QUIT
    S: 503 5.5.1
    C: MAIL FROM:<>
    S: 250
    M: 12345678)",
              host);
}

TEST(Bdat, ClosesPastTwiceTheLimit) {
  Host host;
  host.size_limit = 8;
  expect_bdat("C: BDAT 18446744073709551615 LAST\nR: 1234567812345678x\nS: 552 5.3.4\nX:", host);
  expect_bdat("C: BDAT 16 LAST\nR: 1234567812345678\nS: 552 5.3.4\nC: NOOP\nS: 250", host);
}

TEST(Bdat, DoesNotCountDrainedChunksAsContent) {
  const auto settings = test_settings();
  Host host;
  host.size_limit = 8;
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: BDAT 4
    R: QUIT
    S: 503 5.5.1
    C: RCPT TO:<c@d>
    S: 250
    C: DATA
    S: 354
    R: 123456\r\n.\r\n
    S: 250
    M: 123456\r\n)",
                settings, host);
}

TEST(Bdat, TellsTheFirstFaultWhenThereAreTwo) {
  Host host;
  host.size_limit = 8;
  expect_bdat(R"(
    C: BDAT 3
    R: a\nb
    S: 250
    C: BDAT 9
    R: 123456789
    S: 250
    C: BDAT 0 LAST
    S: 554 5.6.0 Bare <LF>
    C: NOOP
    S: 250)",
              host);
}

TEST(Bdat, CountsChunksWithoutATransactionAsErrors) {
  auto settings = test_settings();
  settings.errors = 2;
  expect_script(R"(
    S: 220
    C: BDAT 4
    R: QUIT
    S: 503
    C: BDAT 4
    R: QUIT
    S: 503
    C: BDAT 4
    S: 421 4.7.0
    X:)",
                settings);
}

TEST(Bdat, KeepsNoMemoryOfThousandsOfTinyChunks) {
  const auto settings = test_settings();
  Player player(settings, {});
  player.feed("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(player.feed("BDAT 1\r\nx"));
  EXPECT_TRUE(player.feed("BDAT 0 LAST\r\n"));
  EXPECT_EQ(player.played().messages.at(0).body, std::string(20'000, 'x'));
}

TEST(Bdat, AllowsEmptyChunksOnlySoOften) {
  auto settings = test_settings();
  settings.commands = 10;
  std::string input = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
  for (int i = 0; i < 11; ++i) input += "BDAT 0\r\n";
  const Played played = play_whole(settings, {}, input);
  EXPECT_TRUE(played.closed);
  EXPECT_THAT(played.replies, testing::HasSubstr("421 4.7.0"));
}

TEST(Bdat, WhatComesAfterAFailedChunkSaysWhyItFailed) {
  const auto settings = test_settings();
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 11
    R: 12345678901
    S: 552 5.3.4
    C: BDAT 1 LAST
    R: x
    S: 503 5.5.1 An earlier BDAT failed (552 5.3.4 Message too large): send RSET)",
                settings, limited(10));
  expect_script(R"(
    S: 220
    C: MAIL FROM:<a@b>
    S: 250
    C: RCPT TO:<c@d>
    S: 250
    C: BDAT 11
    R: 12345678901
    S: 552 5.3.4
    C: MAIL FROM:<a@b>
    S: 503 5.5.1 An earlier BDAT failed (552 5.3.4 Message too large): send RSET)",
                settings, limited(10));
}

}  // namespace
}  // namespace lsmtpd::test
