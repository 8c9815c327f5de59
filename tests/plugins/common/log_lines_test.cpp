// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <log_lines/line_limit.hpp>
#include <log_lines/outage_lines.hpp>

namespace lsmtpd::log_lines {
namespace {

TEST(LineLimit, LetsABurstThroughAndThenOneInEachInterval) {
  LineLimit lines(3, 1000);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(lines.admit(50), 0U);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(lines.admit(1049), std::nullopt);
  EXPECT_EQ(lines.admit(1050), 7U);
  EXPECT_EQ(lines.admit(1050), std::nullopt);
  EXPECT_EQ(lines.admit(60'000), 1U);
  EXPECT_EQ(lines.admit(60'000), 0U);
  EXPECT_EQ(lines.admit(60'000), 0U);
  EXPECT_EQ(lines.admit(60'000), std::nullopt);
}

TEST(OutageLines, AnOutageIsTwoLinesHoweverManyFailuresItHas) {
  OutageLines outage;
  EXPECT_FALSE(outage.answered());
  EXPECT_EQ(outage.failed(0), 0U);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(outage.failed(1000), std::nullopt);
  EXPECT_TRUE(outage.answered());
  EXPECT_FALSE(outage.answered());
}

TEST(OutageLines, OutagesOneAfterTheOtherAreThreePairsAndThenOneAMinute) {
  OutageLines outage;
  int pairs = 0;
  for (int i = 0; i < 100; ++i) {
    const bool said = outage.failed(1000).has_value();
    EXPECT_EQ(outage.answered(), said);
    pairs += said ? 1 : 0;
  }
  EXPECT_EQ(pairs, 3);
  EXPECT_EQ(outage.failed(61'000), 97U);
}

TEST(OutageLines, AnOutageThatLastsIsSaidIfLate) {
  OutageLines outage;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(outage.failed(0), 0U);
    EXPECT_TRUE(outage.answered());
  }
  EXPECT_EQ(outage.failed(10), std::nullopt);
  EXPECT_FALSE(outage.said());
  EXPECT_EQ(outage.failed(60'000), 0U);
  EXPECT_TRUE(outage.said());
  EXPECT_TRUE(outage.answered());
}

}  // namespace
}  // namespace lsmtpd::log_lines
