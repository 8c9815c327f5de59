// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <gtest/gtest.h>

namespace lsmtpd {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail("{} is odd", n);
  return n / 2;
}

TEST(Result, CarriesAValueOrAMessage) {
  EXPECT_EQ(half(4).value(), 2);
  EXPECT_EQ(half(3).error().message, "3 is odd");
}

TEST(Result, AStatusIsTrueWhenThereIsNoError) {
  EXPECT_TRUE(Status{}.has_value());
  EXPECT_FALSE(Status(fail("no")).has_value());
}

}  // namespace
}  // namespace lsmtpd
