// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <gmock/gmock.h>

#include <array>
#include <limits>

namespace lsmtpd {
namespace {

using namespace std::literals;
using testing::HasSubstr;

TEST(Text, KeywordsCompareWithoutRegardToCase) {
  EXPECT_TRUE(equals_ignoring_case("StartTLS", "STARTTLS"));
  EXPECT_FALSE(equals_ignoring_case("STARTTLS", "STARTTL"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));  // differ in the same bit as letters do
  EXPECT_EQ(to_upper("mail from:\xc3\xa4"), "MAIL FROM:\xc3\xa4");
}

struct Size {
  std::string_view text;
  uint64_t bytes;
};

TEST(ParseSize, TakesBinaryUnitsAndPlainBytes) {
  for (const Size& c : {Size{"0", 0},
                        {"512", 512},
                        {"512B", 512},
                        {"64KiB", 65536},
                        {"10MiB", 10485760},
                        {"1GiB", 1073741824},
                        {"2TiB", 2199023255552}}) {
    const auto size = parse_size(c.text);
    ASSERT_TRUE(size) << c.text;
    EXPECT_EQ(*size, c.bytes) << c.text;
  }
}

TEST(ParseSize, RefusesWhatCouldBeReadInTwoWays) {
  for (const auto text : {"", "MiB", "10MB", "10M", "10 MiB", "1.5MiB", "-1", "+1", "10mib", "0x10",
                          "10MiB ", "99999999999999999999"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_THAT(size.error().message, HasSubstr("is not a size")) << text;
    EXPECT_THAT(size.error().message, HasSubstr("10MiB")) << text;
  }
}

TEST(ParseSize, RefusesMoreThanFits) {
  EXPECT_EQ(*parse_size("16777215TiB"), 16777215ull << 40);
  EXPECT_THAT(parse_size("16777216TiB").error().message, HasSubstr("more than a size can be"));
}

TEST(FormatSize, IsExactAndParsesBack) {
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(format_size(1000), "1000B");
  EXPECT_EQ(format_size(10485760), "10MiB");
  EXPECT_EQ(format_size(1536 * 1024), "1536KiB");
  for (const uint64_t bytes : {1ull, 1023ull, 1024ull, 48ull << 20, 1ull << 40,
                               std::numeric_limits<unsigned long long>::max()}) {
    EXPECT_EQ(*parse_size(format_size(bytes)), bytes);
  }
}

TEST(ParseDuration, TakesEachUnit) {
  for (const Size& c : {Size{"0", 0},
                        {"0s", 0},
                        {"500ms", 500},
                        {"30s", 30000},
                        {"5m", 300000},
                        {"2h", 7200000},
                        {"5d", 432000000}}) {
    const auto duration = parse_duration(c.text);
    ASSERT_TRUE(duration) << c.text;
    EXPECT_EQ(*duration, c.bytes) << c.text;
  }
}

TEST(ParseDuration, RefusesANumberWithoutAUnitAndUnknownUnits) {
  for (const auto text : {"", "30", "s", "30 s", "1.5s", "-1s", "30sec", "1M", "1w"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_THAT(duration.error().message, HasSubstr("is not a duration")) << text;
  }
  EXPECT_THAT(parse_duration("18446744073709551615d").error().message,
              HasSubstr("more than a duration can be"));
}

TEST(FormatDuration, IsExactAndParsesBack) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(1500), "1500ms");
  EXPECT_EQ(format_duration(300000), "5m");
  EXPECT_EQ(format_duration(90000), "90s");
  for (const uint64_t ms : {1u, 999u, 1000u, 60000u, 86400000u}) {
    EXPECT_EQ(*parse_duration(format_duration(ms)), ms);
  }
}

TEST(Nearest, FindsSlipsOfTheFinger) {
  constexpr std::array keys{"address"sv,  "bare_lf"sv, "chain"sv,        "name"sv,
                            "protocol"sv, "max"sv,     "message_size"sv, "size"sv};
  EXPECT_EQ(nearest("adress", keys), "address");
  EXPECT_EQ(nearest("chian", keys), "chain");  // swapped neighbours are one slip
  EXPECT_EQ(nearest("bare-lf", keys), "bare_lf");
  EXPECT_EQ(nearest("MessageSize", keys), "message_size");
  EXPECT_EQ(nearest("nane", keys), "name");
}

TEST(Nearest, IsEmptyWhenNothingIsNear) {
  constexpr std::array keys{"address"sv, "max"sv, "a"sv};
  EXPECT_EQ(nearest("recipients", keys), "");
  EXPECT_EQ(nearest("min", keys), "");
  EXPECT_EQ(nearest("b", keys), "");
  EXPECT_EQ(nearest("", keys), "");
  EXPECT_EQ(nearest("address", {}), "");
}

TEST(EscapeForLog, LeavesReadableTextAlone) {
  EXPECT_EQ(escape_for_log("<user@example.org> 'ok'"), "<user@example.org> 'ok'");
  EXPECT_EQ(escape_for_log("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa8"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa8");
}

TEST(EscapeForLog, EscapesWhatCouldForgeALine) {
  EXPECT_EQ(escape_for_log("a\r\nb"), "a\\x0d\\x0ab");
  EXPECT_EQ(escape_for_log("a\" id=\"b"), "a\\x22 id=\\x22b");
  EXPECT_EQ(escape_for_log("a\\x0d"), "a\\x5cx0d");
  EXPECT_EQ(escape_for_log("\0\t\x1b[2J\x7f"sv), "\\x00\\x09\\x1b[2J\\x7f");
}

TEST(EscapeForLog, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(escape_for_log("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(escape_for_log("ab\xe2\x82"), "ab\\xe2\\x82");
}

TEST(EscapeForLog, EscapesUnicodeThatTerminalsActOn) {
  EXPECT_EQ(escape_for_log("\xc2\x9b"), "\\xc2\\x9b");           // C1 control sequence introducer
  EXPECT_EQ(escape_for_log("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // line separator
  EXPECT_EQ(escape_for_log("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(escape_for_log("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");  // left-to-right isolate
  EXPECT_EQ(escape_for_log("\xef\xbb\xbf"), "\\xef\\xbb\\xbf");  // byte order mark
  EXPECT_EQ(escape_for_log("\xe2\x80\x8b"), "\\xe2\\x80\\x8b");  // zero width space
  EXPECT_EQ(escape_for_log("\xe2\x81\xa0"), "\\xe2\\x81\\xa0");  // word joiner
  EXPECT_EQ(escape_for_log("\xc2\xa0\xe2\x80\xa7"), "\xc2\xa0\xe2\x80\xa7");
  EXPECT_EQ(escape_for_log("\xef\xbb\xbe\xe2\x80\x8a"), "\xef\xbb\xbe\xe2\x80\x8a");
}

TEST(Utf8, KnowsTheLengthOfEachValidSequence) {
  EXPECT_EQ(utf8_sequence("a"), 1u);
  EXPECT_EQ(utf8_sequence("\0"sv), 1u);
  EXPECT_EQ(utf8_sequence("\xc2\x80x"), 2u);
  EXPECT_EQ(utf8_sequence("\xe0\xa0\x80"), 3u);
  EXPECT_EQ(utf8_sequence("\xed\x9f\xbf"), 3u);
  EXPECT_EQ(utf8_sequence("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(utf8_sequence("\xf4\x8f\xbf\xbf"), 4u);
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndPieces) {
  for (const auto text :
       {""sv, "\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv,
        "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv,
        "\xff"sv, "\xc3"sv, "\xe2\x82"sv, "\xf0\x9f\x93"sv, "\xc3(\xa4"sv}) {
    EXPECT_EQ(utf8_sequence(text), 0u) << escape_for_log(text);
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa8"));
  EXPECT_FALSE(is_utf8("good then \xc3"));
}

}  // namespace
}  // namespace lsmtpd
