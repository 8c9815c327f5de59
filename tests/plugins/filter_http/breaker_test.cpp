// SPDX-License-Identifier: Apache-2.0
#include "breaker.hpp"

#include <gtest/gtest.h>

namespace filter_http {
namespace {

TEST(HttpBreaker, OpensAfterFailuresInARowAndSaysSoOnce) {
  Breaker breaker(3, 1000);
  EXPECT_FALSE(breaker.failed(0));
  EXPECT_FALSE(breaker.failed(0));
  EXPECT_FALSE(breaker.succeeded());
  EXPECT_FALSE(breaker.failed(0));
  EXPECT_FALSE(breaker.failed(0));
  EXPECT_TRUE(breaker.admit(0));
  EXPECT_TRUE(breaker.failed(0));
  EXPECT_FALSE(breaker.failed(0)) << "of a question from before";
  EXPECT_FALSE(breaker.admit(999));
}

TEST(HttpBreaker, LetsOneQuestionThroughAfterThePause) {
  Breaker breaker(1, 1000);
  EXPECT_TRUE(breaker.failed(0));
  EXPECT_TRUE(breaker.admit(1000));
  EXPECT_FALSE(breaker.admit(1000));
  EXPECT_FALSE(breaker.failed(1000));
  EXPECT_FALSE(breaker.admit(1999));
  EXPECT_TRUE(breaker.admit(2000));
  EXPECT_TRUE(breaker.succeeded());
  EXPECT_TRUE(breaker.admit(2000));
  EXPECT_TRUE(breaker.admit(2000));
}

TEST(HttpBreaker, AbandonedProbeMakesRoomForAnother) {
  Breaker breaker(1, 1000);
  breaker.failed(0);
  EXPECT_TRUE(breaker.admit(1000));
  breaker.abandoned();
  EXPECT_TRUE(breaker.admit(1000));
}

TEST(HttpBreaker, OfNoFailuresNeverOpens) {
  Breaker breaker(0, 1000);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(breaker.failed(0));
  EXPECT_TRUE(breaker.admit(0));
}

}  // namespace
}  // namespace filter_http
