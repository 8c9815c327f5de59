// SPDX-License-Identifier: Apache-2.0
// 20 processes with 64 workers each lose their brokers and get them back, in the simulation of
// storm.hpp. Each event has a control run, which has to fail. docs/scaling.md has the figures.
#include <gtest/gtest.h>

#include "storm.hpp"

namespace lsmtpd::sink::test {
namespace {

Figures cold_start(bool control) {
  Storm storm(control);
  storm.begin();
  storm.start();
  storm.run(60'000);
  EXPECT_EQ(storm.connected(), kProcesses * kWorkers);
  return storm.figures("all start at once");
}

Figures one_broker_lost(bool control) {
  Storm storm(control);
  storm.start();
  storm.run(60'000);
  storm.lose(0);
  storm.begin();
  storm.run(60'000);
  EXPECT_EQ(storm.connected(), kProcesses * kWorkers);
  return storm.figures("one of three brokers is lost");
}

Figures all_brokers_lost(bool control) {
  Storm storm(control);
  storm.start();
  storm.run(60'000);
  for (std::size_t broker = 0; broker < kBrokers; ++broker) storm.lose(broker);
  storm.run(45'000);
  EXPECT_EQ(storm.connected(), 0U);
  storm.come_back();
  storm.run(120'000);
  EXPECT_EQ(storm.connected(), kProcesses * kWorkers);
  return storm.figures("all brokers come back");
}

Figures one_broker_returns(bool control) {
  Storm storm(control);
  storm.start();
  storm.run(60'000);
  storm.lose(0);
  storm.run(60'000);
  storm.come_back_to(0);
  storm.run(300'000);
  for (std::size_t broker = 0; broker < kBrokers; ++broker) EXPECT_NEAR(storm.at(broker), 427, 7);
  return storm.figures("one broker returns, and its connections do");
}

// The backlog is never full, and no broker gets more than it can log in for long.
void expect_calm(const Figures& figures) {
  EXPECT_LE(figures.attempts, kProcesses * kRate);
  EXPECT_LT(figures.waiting, kBacklog);
  EXPECT_EQ(figures.refused, 0U);
}

// The control has to fail, or the test shows nothing.
void expect_storm(const Figures& figures) {
  EXPECT_GT(figures.attempts, 2 * kProcesses * kRate);
  EXPECT_EQ(figures.waiting, kBacklog);
  EXPECT_GT(figures.refused, 0U);
}

TEST(Storm, StartOfAllProcessesAtOnce) {
  const Figures calm = cold_start(false);
  expect_calm(calm);
  EXPECT_LT(calm.ms, 5000U);
  expect_storm(cold_start(true));
}

TEST(Storm, LossOfOneBroker) {
  const Figures calm = one_broker_lost(false);
  expect_calm(calm);
  EXPECT_LT(calm.ms, 5000U);
  expect_storm(one_broker_lost(true));
}

TEST(Storm, ReturnOfAllBrokers) {
  const Figures calm = all_brokers_lost(false);
  expect_calm(calm);
  EXPECT_LT(calm.ms, 15'000U);
  expect_storm(all_brokers_lost(true));
}

TEST(Storm, ReturnOfOneBrokerIsGradual) {
  const Figures calm = one_broker_returns(false);
  expect_calm(calm);
  EXPECT_LT(calm.attempts, 60U);
  EXPECT_LT(calm.ms, 95'000U);
  expect_storm(one_broker_returns(true));
}

TEST(Storm, EachOfTheOthersGetsItsShareOfALostBroker) {
  Storm storm(false);
  storm.start();
  storm.run(60'000);
  for (std::size_t broker = 0; broker < kBrokers; ++broker) EXPECT_NEAR(storm.at(broker), 427, 7);
  storm.lose(0);
  storm.run(60'000);
  EXPECT_EQ(storm.at(0), 0);
  EXPECT_NEAR(storm.at(1), 640, 30);
  EXPECT_NEAR(storm.at(2), 640, 30);
}

}  // namespace
}  // namespace lsmtpd::sink::test
