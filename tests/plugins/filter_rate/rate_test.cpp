// SPDX-License-Identifier: Apache-2.0
#include "rate.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::rate {
namespace {

TEST(Rate, IsANumberAndATime) {
  std::string problem;
  const auto rate = parse_rate("100/1h", false, problem);
  ASSERT_TRUE(rate) << problem;
  EXPECT_EQ(rate->amount, 100);
  EXPECT_EQ(rate->period_ms, 3600e3);
  EXPECT_EQ(parse_rate("10MiB/30s", true, problem)->amount, 10.0 * 1024 * 1024);
  EXPECT_EQ(parse_rate("500/2d", true, problem)->period_ms, 2 * 86400e3);
}

TEST(Rate, MistakesSayHowItIsWritten) {
  std::string problem;
  for (const char* bad : {"", "100", "100/", "/1h", "0/1h", "100/0h", "-1/1h", "100/h", "100/1w",
                          "10MiB/1h", "1.5/1h", "100 /1h", "99999999999999999999/1h"}) {
    problem.clear();
    EXPECT_FALSE(parse_rate(bad, false, problem)) << bad;
    EXPECT_NE(problem.find("write \"100/1h\""), std::string::npos) << problem;
  }
  EXPECT_FALSE(parse_rate("10MB/1h", true, problem));
  EXPECT_NE(problem.find("write \"10MiB/1h\""), std::string::npos) << problem;
}

}  // namespace
}  // namespace lsmtpd::rate
