#include "base/budget.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace lsmtpd {
namespace {

TEST(Budget, GivesUpToItsLimitAndNotAByteMore) {
  Budget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_TRUE(budget.take(40));
  EXPECT_FALSE(budget.take(1));
  EXPECT_EQ(budget.used(), 100u);
  budget.give(1);
  EXPECT_TRUE(budget.take(1));
}

TEST(Budget, ARefusedTakeTakesNothing) {
  Budget budget(100);
  EXPECT_FALSE(budget.take(101));
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Budget, HugeAmountsDoNotWrapAround) {
  Budget budget(100);
  ASSERT_TRUE(budget.take(50));
  EXPECT_FALSE(budget.take(std::numeric_limits<uint64_t>::max()));
  EXPECT_FALSE(budget.take(std::numeric_limits<uint64_t>::max() - 49));
  EXPECT_EQ(budget.used(), 50u);
}

TEST(Budget, HoldsWhenManyThreadsTakeAtOnce) {
  constexpr uint64_t limit = 1000;
  Budget budget(limit);
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        if (budget.take(3)) taken += 3;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 999u);
  EXPECT_EQ(budget.used(), taken);
}

TEST(Share, GivesBackWhatItHoldsWhenItGoes) {
  Budget budget(100);
  {
    Share share(budget);
    EXPECT_TRUE(share.grow(30));
    EXPECT_TRUE(share.grow(30));
    EXPECT_FALSE(share.grow(41));
    EXPECT_EQ(share.held(), 60u);
    share.shrink(10);
    EXPECT_EQ(budget.used(), 50u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Share, MovesWithoutGivingBackTwice) {
  Budget budget(100);
  Share first(budget);
  ASSERT_TRUE(first.grow(10));
  Share second(std::move(first));
  EXPECT_EQ(second.held(), 10u);
  Share third(budget);
  ASSERT_TRUE(third.grow(20));
  third = std::move(second);  // what it held before goes back
  EXPECT_EQ(budget.used(), 10u);
  third.release();
  third.release();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Share, WithoutABudgetOnlyCounts) {
  Share share;
  EXPECT_TRUE(share.grow(std::numeric_limits<uint32_t>::max()));
  share.release();
  EXPECT_EQ(share.held(), 0u);
}

}  // namespace
}  // namespace lsmtpd
