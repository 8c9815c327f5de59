// SPDX-License-Identifier: Apache-2.0
#include "log/events.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace lsmtpd::log {
namespace {

TEST(EventsTest, EventNamesAreUniqueAndPlain) {
  std::set<std::string_view> words;
  for (const EventRow& row : kEvents) {
    EXPECT_TRUE(words.insert(row.word).second) << row.word;
    EXPECT_EQ(row.word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), row.word.npos);
  }
}

TEST(EventsTest, EventsHaveAConditionAndErrorsAnAction) {
  for (const EventRow& row : kEvents) {
    EXPECT_FALSE(row.when.empty()) << row.word;
    EXPECT_LE(row.level, row.other_level) << row.word;
    if (row.other_level >= Level::warn && row.word != "refused") {
      EXPECT_FALSE(row.action.empty()) << row.word;
    }
  }
}

TEST(EventsTest, TheCompilerFindsWordsOfTheTable) {
  constexpr Event event("accepted");
  static_assert(find_event("refused").other_level == Level::warn);
  EXPECT_EQ(event.text(), "accepted");
  EXPECT_EQ(Event::foreign("a plugin's sentence").text(), "a plugin's sentence");
}

}  // namespace
}  // namespace lsmtpd::log
