// SPDX-License-Identifier: Apache-2.0
#include "admin/history.hpp"

#include <gtest/gtest.h>

#include "metrics/families.hpp"

namespace lsmtpd::admin {
namespace {

TEST(History, SampleIsTheDifferenceInASecond) {
  metrics::Registry registry;
  History history;
  const auto stored = registry.counter(metrics::kMessages, {"mx", "default", "stored"});
  const auto rejected = registry.counter(metrics::kMessages, {"mx", "default", "rejected"});
  const auto refused = registry.counter(metrics::kRefusals, {"mx", "data", "5", "filter"});
  const auto chain = registry.histogram(metrics::kChainDuration, {"mx", "default"});
  stored.add(100);
  history.take(registry.snapshot(), 1000);
  EXPECT_TRUE(history.samples().empty()) << "there is nothing to compare it with";
  stored.add(50);
  rejected.add(5);
  refused.add(10);
  for (int i = 0; i < 10; ++i) chain.observe(0.2);
  history.take(registry.snapshot(), 6000);
  ASSERT_EQ(history.samples().size(), 1u);
  const auto& sample = history.samples().front();
  EXPECT_EQ(sample.accepted, 10);
  EXPECT_EQ(sample.refused, 2);
  EXPECT_GT(sample.median, 0.1);
  EXPECT_LE(sample.p95, 0.25);
  history.take(registry.snapshot(), 11'000);
  EXPECT_EQ(history.samples().back().accepted, 0);
  EXPECT_LT(history.samples().back().median, 0) << "no message, no time";
}

TEST(History, KeepsSoManySamplesOnly) {
  metrics::Registry registry;
  History history;
  for (uint64_t i = 1; i <= 2 * History::kSamples; ++i) history.take({}, i * 5000);
  EXPECT_EQ(history.samples().size(), History::kSamples);
}

TEST(Quantile, IsWithinTheBucketByItsPlace) {
  const std::vector<double> bounds{1, 2, 4};
  EXPECT_LT(quantile({0, 0, 0, 0}, bounds, 0.5), 0);
  EXPECT_DOUBLE_EQ(quantile({0, 10, 0, 0}, bounds, 0.5), 1.5);
  EXPECT_DOUBLE_EQ(quantile({10, 0, 10, 0}, bounds, 0.75), 3);
  EXPECT_DOUBLE_EQ(quantile({0, 0, 0, 10}, bounds, 0.5), 4) << "the last bucket has no end";
}

}  // namespace
}  // namespace lsmtpd::admin
