// SPDX-License-Identifier: Apache-2.0
// Which broker is tried next, and after what pause.
#include <gtest/gtest.h>

#include <set>

#include <sink/failover.hpp>

namespace lsmtpd::sink {
namespace {

TEST(Failover, PausesOnlyAfterAWholeRoundAndDoubles) {
  Failover order(2, 0, 0, 100, 350);
  EXPECT_EQ(order.failed(0), 0U);
  EXPECT_EQ(order.current(), 1U);
  EXPECT_FALSE(order.exhausted());
  EXPECT_EQ(order.failed(0), 100U);
  EXPECT_TRUE(order.exhausted());
  EXPECT_EQ(order.current(), 0U);
  EXPECT_EQ(order.failed(0), 0U);
  EXPECT_EQ(order.failed(0), 200U);
  order.failed(0);
  EXPECT_EQ(order.failed(0), 350U);
  order.succeeded(0);
  EXPECT_FALSE(order.exhausted());
  order.failed(0);
  EXPECT_EQ(order.failed(0), 100U);
}

TEST(Failover, JitterTakesOffHalfAtMost) {
  for (std::uint64_t dice = 0; dice < 1000; ++dice) {
    const std::uint64_t pause = Failover(1, 0, 0, 100, 1000).failed(dice);
    EXPECT_GE(pause, 50U);
    EXPECT_LE(pause, 100U);
  }
}

TEST(Failover, BeginsAtHomeAndGoesBackThere) {
  Failover order(3, 2, 0, 100, 1000);
  EXPECT_EQ(order.current(), 2U);
  order.failed(0);
  EXPECT_EQ(order.current(), 0U);
  order.failed(0);
  EXPECT_EQ(order.current(), 1U);
  order.failed(0);
  EXPECT_TRUE(order.exhausted());
  order.go_on();
  EXPECT_EQ(order.current(), 0U);
  order.go_home();
  EXPECT_EQ(order.current(), 2U);
  EXPECT_FALSE(order.exhausted());
}

// Those who lose one home go to all of the others.
TEST(Failover, EachTurnGoesThroughAllInAnOrderOfItsOwn) {
  std::set<std::size_t> seconds;
  for (std::size_t turn = 0; turn < 6; ++turn) {
    Failover order(4, 2, turn, 100, 1000);
    std::set<std::size_t> tried{order.current()};
    order.failed(0);
    seconds.insert(order.current());
    for (int i = 0; i < 3; ++i) {
      tried.insert(order.current());
      order.failed(0);
    }
    EXPECT_EQ(tried.size(), 4U) << turn;
    EXPECT_EQ(order.current(), 2U);
  }
  EXPECT_EQ(seconds, (std::set<std::size_t>{0, 1, 3}));
}

TEST(Failover, ALostConnectionIsTriedAgainSoonButNotByAllAtOnce) {
  std::set<std::uint64_t> pauses;
  for (std::uint64_t dice = 0; dice < 1000; ++dice) {
    Failover order(3, 1, 0, 200, 10'000);
    order.succeeded(0);
    pauses.insert(order.lost(60'000, dice));
    EXPECT_EQ(order.current(), 1U);
  }
  EXPECT_EQ(pauses.size(), 201U);
  EXPECT_EQ(*pauses.rbegin(), 200U);
}

TEST(Failover, ConnectionsThatEndSoonAreTriedLaterAndLater) {
  Failover order(1, 0, 0, 200, 1000);
  auto lost_at_once = [&order, now = std::uint64_t{0}]() mutable {
    now += 10;
    order.succeeded(now);
    return order.lost(now, 0);
  };
  EXPECT_EQ(lost_at_once(), 0U);
  EXPECT_EQ(lost_at_once(), 200U);
  EXPECT_EQ(lost_at_once(), 400U);
  EXPECT_EQ(lost_at_once(), 800U);
  EXPECT_EQ(lost_at_once(), 1000U);
  order.succeeded(10'000);
  EXPECT_EQ(order.lost(20'000, 0), 0U);
  EXPECT_EQ(lost_at_once(), 0U);
  EXPECT_EQ(lost_at_once(), 200U);
}

}  // namespace
}  // namespace lsmtpd::sink
