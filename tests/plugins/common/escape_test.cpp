// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <mail_json/escape.hpp>
#include <mail_json/measure.hpp>
#include <mail_json/unescape.hpp>

#include "reference.hpp"

namespace lsmtpd::mail_json::testing {
namespace {

// Escapes in pieces of `piece` bytes into bits of `room` bytes.
std::string escape_in(std::string_view text, std::size_t piece, std::size_t room) {
  Escaper escaper;
  std::string out;
  std::string buffer(room, '#');
  while (!text.empty()) {
    // A block of its own, so that reading past a piece's end is seen.
    const std::string part(text.substr(0, piece));
    const Escaper::Step step = escaper.escape(part, buffer.data(), room);
    EXPECT_TRUE(step.read > 0 || step.written > 0);
    out.append(buffer, 0, step.written);
    text.remove_prefix(step.read);
  }
  out.append(buffer, 0, escaper.finish(buffer.data()));
  return out;
}

Measure measure_in(std::string_view text, std::size_t piece) {
  Measure measure;
  while (!text.empty()) {
    const std::string part(text.substr(0, piece));
    measure.add(part);
    text.remove_prefix(part.size());
  }
  measure.finish();
  return measure;
}

TEST(Escape, EveryByteAloneAndInARunAgreesWithTheReference) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t before : {0, 1, 15, 16, 17, 40}) {
      const std::string text =
          std::string(before, 'a') + static_cast<char>(byte) + std::string(before, 'b');
      EXPECT_EQ(escape_in(text, 1000, 1000), escape_slowly(text)) << byte << " after " << before;
      EXPECT_EQ(measure_in(text, 1000).escaped(), escape_slowly(text).size()) << byte;
    }
  }
}

TEST(Escape, RandomTextAgreesWithTheReferenceWhateverThePiecesAndTheRoom) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random_text(random, random() % 60);
    const std::size_t piece = 1 + random() % 40;
    const std::size_t room = Escaper::kRoom + random() % 64;
    const std::string wanted = escape_slowly(text);
    ASSERT_EQ(escape_in(text, piece, room), wanted) << "round " << round;
    ASSERT_EQ(measure_in(text, piece).escaped(), wanted.size()) << "round " << round;
  }
}

TEST(Escape, InvalidSequencesBecomeOneReplacementForEachMaximalSubpart) {
  // The example of the Unicode standard, table 3-8.
  const std::string text = "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64";
  EXPECT_EQ(escape_in(text, 3, 64), "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
}

TEST(Measure, ContentIsExactWhereItIsUtf8WithoutNul) {
  EXPECT_TRUE(measure_in("caf\xC3\xA9 \xF0\x9F\x98\x80\r\n\x01", 2).exact());
  EXPECT_TRUE(measure_in("", 1).exact());
  EXPECT_FALSE(measure_in("caf\xE9 here", 3).exact());
  EXPECT_FALSE(measure_in(std::string_view("a\0b", 3), 3).exact());
  EXPECT_FALSE(measure_in(std::string(40, 'a') + "\xC3", 16).exact());
}

std::string unescape_in(std::string_view text, std::size_t piece) {
  Unescaper unescaper;
  std::string out;
  while (!text.empty()) {
    const std::string part(text.substr(0, piece));
    std::string buffer(part.size() + 4, '#');
    const std::int64_t made = unescaper.unescape(part, buffer.data());
    if (made < 0) return "bad";
    out.append(buffer, 0, static_cast<std::size_t>(made));
    text.remove_prefix(part.size());
  }
  return unescaper.finish() ? out : "unfinished";
}

TEST(Unescape, RestoresEscapedTextWhateverThePieces) {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string text = random_text(random, random() % 60);
    text = utf8_lossy(text);
    ASSERT_EQ(unescape_in(escape_slowly(text), 1 + random() % 20), text) << "round " << round;
  }
}

TEST(Unescape, TakesEveryEscapeOfJson) {
  for (std::size_t piece = 1; piece < 12; ++piece) {
    EXPECT_EQ(unescape_in(R"(\"\\\/\b\f\n\r\tA\u00e9\u20AC\uD83D\uDE00)", piece),
              "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    EXPECT_EQ(unescape_in(R"(a\u0000b)", piece), std::string("a\0b", 3));
  }
}

TEST(Unescape, RefusesWhatIsNoEscape) {
  for (const char* text : {R"(\x)", R"(\u12g4)", R"(\uD83D)", R"(\uD83Dx)", R"(\uD83D\n)",
                           R"(\uDE00)", R"(\uD83D\uD83D)", R"(\u12)", R"(abc\)"}) {
    for (std::size_t piece : {1, 2, 100}) {
      const std::string got = unescape_in(text, piece);
      EXPECT_TRUE(got == "bad" || got == "unfinished") << text << " gave " << got;
    }
  }
}

}  // namespace
}  // namespace lsmtpd::mail_json::testing
