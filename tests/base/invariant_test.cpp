// SPDX-License-Identifier: Apache-2.0
#include "base/invariant.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd {
namespace {

std::string reported;

bool add(int a, int b) {
  return LSMTPD_INVARIANT(a + b > 0);
}

TEST(Invariant, IsTrueWhereItHolds) {
  EXPECT_TRUE(add(1, 2));
}

TEST(InvariantDeathTest, AbortsAndNamesThePlaceUnlessToldToGoOn) {
  EXPECT_DEATH(add(1, -2), "invariant_test.cpp:[0-9]+: broken invariant: a \\+ b > 0");
}

TEST(Invariant, IsReportedAndFalseWhereTheProcessGoesOn) {
  go_on_after_broken_invariants([](const char* expression, const char* file, int line) {
    reported = std::string(file) + ":" + std::to_string(line) + " " + expression;
  });
  EXPECT_FALSE(add(1, -2));
  go_on_after_broken_invariants(nullptr);
  EXPECT_NE(reported.find("invariant_test.cpp:"), std::string::npos);
  EXPECT_NE(reported.find(" a + b > 0"), std::string::npos);
}

}  // namespace
}  // namespace lsmtpd
