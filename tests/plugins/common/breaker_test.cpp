// SPDX-License-Identifier: Apache-2.0
#include <http/breaker.hpp>

#include <gtest/gtest.h>

namespace lsmtpd::http {
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

TEST(HttpBreaker, PauseDoublesUpToTheLongestAndBeginsAnew) {
  Breaker breaker(1, 100, 300);
  EXPECT_TRUE(breaker.failed(0));
  EXPECT_TRUE(breaker.pausing(99));
  EXPECT_FALSE(breaker.pausing(100));
  std::uint64_t now = 100;
  for (const std::uint64_t pause : {200U, 300U, 300U}) {
    EXPECT_TRUE(breaker.admit(now));
    EXPECT_FALSE(breaker.pausing(now)) << "one is on its way";
    breaker.failed(now);
    EXPECT_TRUE(breaker.pausing(now + pause - 1));
    EXPECT_FALSE(breaker.pausing(now += pause));
  }
  EXPECT_TRUE(breaker.succeeded());
  EXPECT_TRUE(breaker.failed(now));
  EXPECT_FALSE(breaker.pausing(now + 100));
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
}  // namespace lsmtpd::http
