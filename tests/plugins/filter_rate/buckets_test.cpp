// SPDX-License-Identifier: Apache-2.0
#include "buckets.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace lsmtpd::rate {
namespace {

TEST(Buckets, GiveTheBurstAndThenTheRate) {
  Buckets buckets(64, {{3, 0.001}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(buckets.take(0, 7, 1000));
  EXPECT_FALSE(buckets.take(0, 7, 1000));
  EXPECT_FALSE(buckets.take(0, 7, 1999));
  EXPECT_TRUE(buckets.take(0, 7, 2000));
  EXPECT_FALSE(buckets.take(0, 7, 2001));
  EXPECT_TRUE(buckets.take(0, 8, 2001));  // another owner
}

TEST(Buckets, NeverHoldMoreThanTheBurst) {
  Buckets buckets(64, {{2, 1}});
  EXPECT_TRUE(buckets.take(0, 7, 1000));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(buckets.take(0, 7, 1000000));
  EXPECT_FALSE(buckets.take(0, 7, 1000000));
}

TEST(Buckets, ClockOfAnotherWorkerThatIsBehindTakesNothingAway) {
  Buckets buckets(64, {{1, 0.001}});
  EXPECT_TRUE(buckets.take(0, 7, 5000));
  EXPECT_FALSE(buckets.take(0, 7, 4000));
  EXPECT_FALSE(buckets.take(0, 7, 5999));
  EXPECT_TRUE(buckets.take(0, 7, 6000));
}

TEST(Buckets, KindsAreApart) {
  Buckets buckets(64, {{1, 0.001}, {1, 0.001}});
  EXPECT_TRUE(buckets.take(0, 7, 1));
  EXPECT_TRUE(buckets.take(1, 7, 1));
  EXPECT_FALSE(buckets.take(0, 7, 1));
}

TEST(Buckets, ReturnedTokenIsThereAgain) {
  Buckets buckets(64, {{1, 0.001}});
  EXPECT_TRUE(buckets.take(0, 7, 1));
  buckets.give_back(0, 7, 1);
  EXPECT_TRUE(buckets.take(0, 7, 1));
  buckets.give_back(0, 99, 1);  // an owner that is not known: nothing happens
}

TEST(Buckets, AChargeMayLowerABucketToMinusItsBurst) {
  Buckets buckets(64, {{10, 0.01}});
  EXPECT_TRUE(buckets.has_one(0, 7, 0));
  buckets.charge(0, 7, 1000, 0);
  EXPECT_FALSE(buckets.has_one(0, 7, 0));
  EXPECT_FALSE(buckets.has_one(0, 7, 1099));
  EXPECT_TRUE(buckets.has_one(0, 7, 1100));  // -10 to 1, in steps of 0.01
}

TEST(Buckets, SlowRatesAreKeptThroughManyLooks) {
  Buckets buckets(64, {{1, 1 / 86400e3}});
  EXPECT_TRUE(buckets.take(0, 7, 0));
  bool early = false;
  for (uint64_t now = 0; now < 86400000; now += 10000) early = early || buckets.take(0, 7, now);
  EXPECT_FALSE(early);
  EXPECT_TRUE(buckets.take(0, 7, 86400100));
}

TEST(Buckets, IdleOnesGoFirst) {
  Buckets buckets(8, {{2, 0.001}});  // one set of eight places
  for (uint64_t hash = 1; hash <= 8; ++hash) EXPECT_TRUE(buckets.take(0, hash, 0));
  EXPECT_TRUE(buckets.take(0, 1, 0));  // the first is empty now, the others nearly full
  // After a second the others are full again, so that seven new owners displace them.
  for (uint64_t hash = 11; hash <= 17; ++hash) EXPECT_TRUE(buckets.take(0, hash, 1000));
  EXPECT_EQ(buckets.forgotten(), 0u);
  EXPECT_TRUE(buckets.take(0, 1, 1000));  // 1 token since
  EXPECT_FALSE(buckets.take(0, 1, 1000));
}

TEST(Buckets, AFullTableReplacesTheBucketThatIsNearestToFull) {
  Buckets buckets(8, {{4, 0.000001}});
  for (uint64_t hash = 1; hash <= 8; ++hash)
    for (int i = 0; i < (hash == 5 ? 1 : 4); ++i) EXPECT_TRUE(buckets.take(0, hash, 0));
  EXPECT_TRUE(buckets.take(0, 99, 0));
  EXPECT_EQ(buckets.forgotten(), 1u);
  for (uint64_t hash = 1; hash <= 8; ++hash)
    if (hash != 5) {
      EXPECT_FALSE(buckets.has_one(0, hash, 0)) << hash;
    }
}

TEST(Buckets, MemoryIsAsLargeAsItSays) {
  EXPECT_LE(Buckets::bytes(65536), 65536u * 24 + 64 * 128);
}

TEST(Buckets, WorkersTakeNoMoreThanThereIs) {
  Buckets buckets(64, {{1000, 0.0000001}});
  std::atomic<int> taken{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i)
    workers.emplace_back([&] {
      for (int n = 0; n < 1000; ++n)
        if (buckets.take(0, 7, 1000)) ++taken;
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(taken, 1000);
}

}  // namespace
}  // namespace lsmtpd::rate
