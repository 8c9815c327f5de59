// SPDX-License-Identifier: Apache-2.0
#include "metrics/registry.hpp"

#include <gmock/gmock.h>

#include <array>
#include <thread>

namespace lsmtpd::metrics {
namespace {

using testing::ElementsAre;

constexpr std::array<std::string_view, 1> kLabel{"listener"};
constexpr std::array kBounds{0.1, 1.0};
constexpr Family kCount{"a_total", "Things.", Type::counter, kLabel};
constexpr Family kLevel{"b_level", "A level.", Type::gauge, kLabel};
constexpr Family kLeast{"c_least", "The least.", Type::gauge, {}, {}, Combine::least};
constexpr Family kTime{"d_seconds", "A time.", Type::histogram, {}, kBounds};

const SeriesValue& only(const Snapshot& all, size_t family) {
  EXPECT_EQ(all.at(family).series.size(), 1u);
  return all.at(family).series.at(0);
}

TEST(Registry, SeriesExistsWithZeroFromTheMomentItIsAskedFor) {
  Registry registry;
  (void)registry.counter(kCount, {"mx"}, slot_of(0));
  const auto all = registry.snapshot();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].info.name, "a_total");
  EXPECT_THAT(only(all, 0).labels, ElementsAre("mx"));
  EXPECT_EQ(only(all, 0).value, 0);
}

TEST(Registry, SlotsOfOneSeriesAddUp) {
  Registry registry;
  for (uint32_t worker = 0; worker < 3; ++worker) {
    registry.counter(kCount, {"mx"}, slot_of(worker)).add(worker + 1);
    registry.gauge(kLevel, {"mx"}, slot_of(worker)).add(0.5);
  }
  registry.counter(kCount, {"mx"}).add_shared(10);
  const auto all = registry.snapshot();
  EXPECT_EQ(only(all, 0).value, 16);
  EXPECT_EQ(only(all, 1).value, 1.5);
}

TEST(Registry, SeriesAskedForAgainKeepsItsCount) {
  Registry registry;
  registry.counter(kCount, {"mx"}, slot_of(0)).add(7);
  registry.counter(kCount, {"mx"}, slot_of(0)).add();
  EXPECT_EQ(only(registry.snapshot(), 0).value, 8);
}

TEST(Registry, LeastOfSeveralSlotsIsAmongThoseThatWereSet) {
  Registry registry;
  registry.gauge(kLeast, {}, slot_of(0)).set(3);
  registry.gauge(kLeast, {}, slot_of(1)).set(2);
  (void)registry.gauge(kLeast, {}, slot_of(2));
  EXPECT_EQ(only(registry.snapshot(), 0).value, 2);
}

TEST(Registry, HistogramPutsValueInTheFirstBucketThatHoldsIt) {
  Registry registry;
  const auto first = registry.histogram(kTime, {}, slot_of(0));
  const auto second = registry.histogram(kTime, {}, slot_of(1));
  first.observe(0.1);
  first.observe(0.2);
  second.observe(5);
  second.observe(0);
  const auto all = registry.snapshot();
  EXPECT_THAT(only(all, 0).buckets, ElementsAre(2, 1, 1));
  EXPECT_DOUBLE_EQ(only(all, 0).sum, 5.3);
}

TEST(Registry, FamilyOfAnotherShapeIsAnError) {
  Registry registry;
  (void)registry.counter(kCount, {"mx"});
  Family other = kCount;
  other.type = Type::gauge;
  const std::array<std::string_view, 1> label{"mx"};
  EXPECT_FALSE(registry.cells(other, label, kShared));
  other = kCount;
  other.labels = {};
  EXPECT_FALSE(registry.cells(other, {}, kShared));
  EXPECT_FALSE(registry.cells(kCount, {}, kShared)) << "too few labels";
}

TEST(Registry, HandleWithoutRegistryCountsNothing) {
  Counter().add();
  Gauge().set(1);
  Histogram().observe(1);
  EXPECT_EQ(Gauge().value(), 0);
}

TEST(Registry, CollectorAddsToASnapshotUntilItIsRemoved) {
  Registry registry;
  const uint64_t id =
      registry.add_collector([](Snapshot& all) { add_value(all, kLevel, {"late"}, 4); });
  EXPECT_EQ(only(registry.snapshot(), 0).value, 4);
  registry.remove_collector(id);
  EXPECT_TRUE(registry.snapshot().empty());
}

TEST(Registry, NothingIsLostWhileWorkersCountAndOthersReadAndRegister) {
  constexpr uint32_t kThreads = 3, kTimes = 20'000;
  Registry registry;
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < kThreads; ++worker) {
    threads.emplace_back([&registry, worker] {
      const auto own = registry.counter(kCount, {"mx"}, slot_of(worker));
      const auto common = registry.counter(kCount, {"mx"});
      const auto time = registry.histogram(kTime, {});
      for (uint32_t i = 0; i < kTimes; ++i) {
        own.add();
        common.add_shared();
        time.observe_shared(0.5);
      }
    });
  }
  double before = 0;
  for (int i = 0; i < 100; ++i) {
    (void)registry.gauge(kLevel, {std::to_string(i)});
    const auto all = registry.snapshot();
    if (all[0].info.name != kCount.name) continue;  // no thread has begun
    EXPECT_GE(all[0].series[0].value, before);
    before = all[0].series[0].value;
  }
  for (auto& thread : threads) thread.join();
  const auto all = registry.snapshot();
  EXPECT_EQ(all.at(0).series.at(0).value, 2.0 * kThreads * kTimes);
  EXPECT_EQ(only(all, 2).buckets.at(1), kThreads * kTimes);
}

}  // namespace
}  // namespace lsmtpd::metrics
