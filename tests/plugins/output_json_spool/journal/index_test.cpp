// SPDX-License-Identifier: Apache-2.0
#include "journal/index.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace lsmtpd::journal {
namespace {

Copy copy_of(const Index& index, const std::string& id, std::int64_t time_ns) {
  Copy copy;
  copy.key = index.key_of(id, false);
  copy.time_ns = time_ns;
  return copy;
}

TEST(JournalIndex, HoldsWhatAMapHolds) {
  std::mt19937 chance(3);
  Index index;
  std::map<std::string, std::int64_t> model;
  for (int i = 0; i < 200'000; ++i) {
    const std::string id = std::to_string(chance() % 5000);
    if (chance() % 2 == 0) {
      index.put(copy_of(index, id, i));
      model[id] = i;
    } else {
      EXPECT_EQ(index.erase(index.key_of(id, false)), model.erase(id) == 1);
    }
  }
  ASSERT_EQ(index.size(), model.size());
  for (const auto& [id, time] : model) {
    const Copy* copy = index.find(index.key_of(id, false));
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->time_ns, time);
  }
  for (int i = 5000; i < 5100; ++i)
    EXPECT_EQ(index.find(index.key_of(std::to_string(i), false)), nullptr);
}

TEST(JournalIndex, GoesThroughAllOfThem) {
  Index index;
  for (int i = 0; i < 3000; ++i) index.put(copy_of(index, std::to_string(i), i));
  for (int i = 0; i < 3000; i += 3) index.erase(index.key_of(std::to_string(i), false));
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < index.size(); ++i) sum += index.at(i).time_ns;
  EXPECT_EQ(index.size(), 2000u);
  EXPECT_EQ(sum, 2999 * 3000 / 2 - 3 * (999 * 1000 / 2));
}

// A million copies in 64 MB: the copy, and at most 3/8 of its numbers' table are free.
TEST(JournalIndex, TakesFewBytesForEachCopy) {
  EXPECT_LE(sizeof(Copy), 48u);
}

}  // namespace
}  // namespace lsmtpd::journal
