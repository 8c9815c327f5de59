// SPDX-License-Identifier: Apache-2.0
// How many connections a second are tried to one address.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include <sink/attempt_gate.hpp>

namespace lsmtpd::sink {
namespace {

// The most times within any second, from its first millisecond to its last.
std::size_t most_in_a_second(std::vector<std::uint64_t> times) {
  std::sort(times.begin(), times.end());
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= 1000) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

TEST(AttemptGate, HalfOfASecondsAttemptsComeAtOnce) {
  AttemptGate gate;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(gate.wait("a", 20, 5000), 0U) << i;
  EXPECT_EQ(gate.wait("a", 20, 5000), 91U);
  EXPECT_EQ(gate.wait("a", 20, 5000), 182U);
}

TEST(AttemptGate, AddressesDoNotWaitForEachOther) {
  AttemptGate gate;
  for (int i = 0; i < 100; ++i) (void)gate.wait("a", 20, 0);
  EXPECT_EQ(gate.wait("b", 20, 0), 0U);
}

TEST(AttemptGate, NoSecondHasMoreThanIsAllowed) {
  std::minstd_rand random(1);
  for (const std::uint32_t allowed : {1U, 2U, 3U, 7U, 20U, 500U}) {
    AttemptGate gate;
    std::vector<std::uint64_t> starts;
    std::uint64_t now = 0;
    for (std::size_t i = 0; i < std::size_t{20} * allowed; ++i) {
      now += random() % (1500 / allowed + 1);
      starts.push_back(now + gate.wait("a", allowed, now));
    }
    EXPECT_LE(most_in_a_second(starts), allowed);
    EXPECT_GE(most_in_a_second(starts), (allowed + 1) / 2) << "it has to let some through";
  }
}

TEST(AttemptGate, IsFreeAgainAfterAQuietSecond) {
  AttemptGate gate;
  for (int i = 0; i < 20; ++i) (void)gate.wait("a", 20, 0);
  EXPECT_GT(gate.wait("a", 20, 100), 0U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(gate.wait("a", 20, 4000), 0U);
}

TEST(AttemptGate, WorkersShareIt) {
  AttemptGate gate;
  std::vector<std::vector<std::uint64_t>> waits(8);
  {
    std::vector<std::jthread> workers;
    for (auto& own : waits)
      workers.emplace_back([&gate, &own] {
        for (int i = 0; i < 25; ++i) own.push_back(gate.wait("a", 20, 0));
      });
  }
  std::vector<std::uint64_t> all;
  for (const auto& own : waits) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all[9], 0U);
  EXPECT_EQ(all.back(), 17'273U) << "200 attempts: 10 at once, then 11 a second";
  EXPECT_LE(most_in_a_second(all), 20U);
}

}  // namespace
}  // namespace lsmtpd::sink
