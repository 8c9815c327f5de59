// SPDX-License-Identifier: Apache-2.0
#include "base/budget.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace lsmtpd {
namespace {

TEST(Budget, ReservesUpToItsLimitAndNotAByteMore) {
  Budget budget(100);
  EXPECT_TRUE(budget.reserve(60));
  EXPECT_TRUE(budget.reserve(40));
  EXPECT_FALSE(budget.reserve(1));
  EXPECT_EQ(budget.used(), 100u);
  budget.release(1);
  EXPECT_TRUE(budget.reserve(1));
}

TEST(Budget, RefusedReservationReservesNothing) {
  Budget budget(100);
  EXPECT_FALSE(budget.reserve(101));
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Budget, HugeAmountsDoNotWrapAround) {
  Budget budget(100);
  ASSERT_TRUE(budget.reserve(50));
  EXPECT_FALSE(budget.reserve(std::numeric_limits<uint64_t>::max()));
  EXPECT_FALSE(budget.reserve(std::numeric_limits<uint64_t>::max() - 49));
  EXPECT_EQ(budget.used(), 50u);
}

TEST(Budget, LimitHoldsWhenManyThreadsReserveAtOnce) {
  constexpr uint64_t limit = 1000;
  Budget budget(limit);
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        if (budget.reserve(3)) taken += 3;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 999u);
  EXPECT_EQ(budget.used(), taken);
}

TEST(Reservation, IsReleasedByItsDestructor) {
  Budget budget(100);
  {
    Reservation reservation(budget);
    EXPECT_TRUE(reservation.reserve(30));
    EXPECT_TRUE(reservation.reserve(30));
    EXPECT_FALSE(reservation.reserve(41));
    EXPECT_EQ(reservation.held(), 60u);
    reservation.release(10);
    EXPECT_EQ(budget.used(), 50u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Reservation, MoveReleasesOnlyOnce) {
  Budget budget(100);
  Reservation first(budget);
  ASSERT_TRUE(first.reserve(10));
  Reservation second(std::move(first));
  EXPECT_EQ(second.held(), 10u);
  Reservation third(budget);
  ASSERT_TRUE(third.reserve(20));
  third = std::move(second);  // what it held before goes back
  EXPECT_EQ(budget.used(), 10u);
  third.release();
  third.release();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Reservation, WithoutABudgetOnlyCounts) {
  Reservation reservation;
  EXPECT_TRUE(reservation.reserve(std::numeric_limits<uint32_t>::max()));
  reservation.release();
  EXPECT_EQ(reservation.held(), 0u);
}

}  // namespace
}  // namespace lsmtpd
