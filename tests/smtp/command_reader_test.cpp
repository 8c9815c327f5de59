// SPDX-License-Identifier: Apache-2.0
#include "smtp/command_reader.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::smtp {
namespace {

using Found = CommandReader::Found;

TEST(CommandReader, GivesLinesThatCameWholeWithoutKeepingThem) {
  CommandReader reader;
  std::string_view input = "NOOP\r\nRSET\n";
  EXPECT_EQ(reader.read(input), Found::line);
  EXPECT_EQ(reader.line(), "NOOP");
  EXPECT_FALSE(reader.bare_lf());
  EXPECT_EQ(reader.read(input), Found::line);
  EXPECT_EQ(reader.line(), "RSET");
  EXPECT_TRUE(reader.bare_lf());
  EXPECT_EQ(reader.read(input), Found::nothing);
  EXPECT_FALSE(reader.within_line());
}

TEST(CommandReader, PutsALineTogetherAndLetsItGo) {
  CommandReader reader;
  const std::string line = "NOOP " + std::string(200, 'x');
  for (const char c : line + "\r") {
    const char octet[] = {c};
    std::string_view input(octet, 1);
    EXPECT_EQ(reader.read(input), Found::nothing);
    EXPECT_TRUE(reader.within_line());
  }
  EXPECT_GE(reader.held(), line.size());
  std::string_view input = "\nQUIT\r\n";
  EXPECT_EQ(reader.read(input), Found::line);
  EXPECT_EQ(reader.line(), line);
  reader.release();
  EXPECT_LE(reader.held(), std::string().capacity());
  EXPECT_EQ(reader.read(input), Found::line);
  EXPECT_EQ(reader.line(), "QUIT");
}

TEST(CommandReader, SkipsTheRestOfALineThatIsTooLong) {
  CommandReader reader;
  const std::string text = std::string(5000, 'x') + "\r\nNOOP\r\n";
  std::string_view input = text;
  EXPECT_EQ(reader.read(input), Found::too_long);
  EXPECT_EQ(reader.line(), std::string(CommandReader::kLineLimit, 'x'));
  EXPECT_TRUE(reader.within_line());
  EXPECT_EQ(reader.read(input), Found::skipped);
  EXPECT_FALSE(reader.bare_lf());
  EXPECT_EQ(reader.read(input), Found::line);
  EXPECT_EQ(reader.line(), "NOOP");
}

TEST(CommandReader, KnowsTheLineEndOfWhatItSkippedWhereverItIsCut) {
  for (const bool bare : {false, true}) {
    CommandReader reader;
    const std::string text = std::string(3000, 'x') + (bare ? "" : "\r");
    std::string_view input = text;
    EXPECT_EQ(reader.read(input), Found::too_long);
    EXPECT_EQ(reader.read(input), Found::nothing);
    std::string_view end = "\n";
    EXPECT_EQ(reader.read(end), Found::skipped);
    EXPECT_EQ(reader.bare_lf(), bare);
  }
}

}  // namespace
}  // namespace lsmtpd::smtp
