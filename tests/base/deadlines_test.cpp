// SPDX-License-Identifier: Apache-2.0
#include "base/deadlines.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace lsmtpd {
namespace {

class DeadlinesTest : public testing::Test {
 protected:
  std::unique_ptr<Deadlines::Entry> entry(const std::string& name) {
    return std::make_unique<Deadlines::Entry>([this, name] { expired_ += name; });
  }
  Deadlines deadlines_{1000};
  std::string expired_;
};

TEST_F(DeadlinesTest, ExpireOnceAndNotBefore) {
  const auto a = entry("a");
  deadlines_.arm(*a, 100);
  deadlines_.advance(1099);
  EXPECT_EQ(expired_, "");
  EXPECT_TRUE(a->armed());
  deadlines_.advance(1100);
  EXPECT_EQ(expired_, "a");
  EXPECT_FALSE(a->armed());
  deadlines_.advance(9999);
  EXPECT_EQ(expired_, "a");
}

TEST_F(DeadlinesTest, OfOneLengthExpireInTheOrderOfArming) {
  const auto a = entry("a"), b = entry("b"), c = entry("c");
  deadlines_.arm(*b, 100);
  deadlines_.arm(*a, 100);
  deadlines_.set_now(1001);
  deadlines_.arm(*c, 100);
  deadlines_.advance(1100);
  EXPECT_EQ(expired_, "ba");
  deadlines_.advance(1101);
  EXPECT_EQ(expired_, "bac");
}

TEST_F(DeadlinesTest, OfSeveralLengthsExpireEachAtItsTime) {
  const auto a = entry("a"), b = entry("b"), c = entry("c");
  deadlines_.arm(*a, 300);
  deadlines_.arm(*b, 100);
  deadlines_.arm(*c, 200);
  for (uint64_t now = 1000; now <= 1400; now += 10) deadlines_.advance(now);
  EXPECT_EQ(expired_, "bca");
}

TEST_F(DeadlinesTest, ArmingAgainStartsOver) {
  const auto a = entry("a"), b = entry("b");
  deadlines_.arm(*a, 100);
  deadlines_.arm(*b, 100);
  deadlines_.advance(1050);
  deadlines_.arm(*a, 100);
  deadlines_.advance(1100);
  EXPECT_EQ(expired_, "b");
  deadlines_.arm(*a, 500);  // and into another list
  deadlines_.advance(1599);
  EXPECT_EQ(expired_, "b");
  deadlines_.advance(1600);
  EXPECT_EQ(expired_, "ba");
}

TEST_F(DeadlinesTest, ADelayOfZeroNeverExpires) {
  const auto a = entry("a");
  deadlines_.arm(*a, 100);
  deadlines_.arm(*a, 0);
  EXPECT_FALSE(a->armed());
  deadlines_.advance(UINT64_MAX);
  EXPECT_EQ(expired_, "");
}

TEST_F(DeadlinesTest, DestroyedEntriesDoNotExpire) {
  auto a = entry("a"), b = entry("b"), c = entry("c");
  for (auto* e : {&a, &b, &c}) deadlines_.arm(**e, 100);
  b.reset();
  deadlines_.advance(1100);
  EXPECT_EQ(expired_, "ac");
}

TEST_F(DeadlinesTest, AnEntryMayDestroyItself) {
  std::unique_ptr<Deadlines::Entry> a;
  a = std::make_unique<Deadlines::Entry>([this, &a, text = std::string(100, 'a')] {
    a.reset();
    expired_ += text;  // the closure outlives its entry
  });
  deadlines_.arm(*a, 100);
  deadlines_.advance(1100);
  EXPECT_EQ(expired_, std::string(100, 'a'));
}

TEST_F(DeadlinesTest, AnEntryMayDestroyAndDisarmOthersThatAreDue) {
  auto b = entry("b"), c = entry("c"), d = entry("d");
  Deadlines::Entry a([&] {
    expired_ += "a";
    b.reset();
    c->disarm();
  });
  deadlines_.arm(a, 100);
  deadlines_.arm(*b, 100);
  deadlines_.arm(*c, 100);
  deadlines_.arm(*d, 100);
  deadlines_.advance(2000);
  EXPECT_EQ(expired_, "ad");
}

TEST_F(DeadlinesTest, AnEntryArmedInItsOwnExpiryExpiresAgainLaterNotNow) {
  std::vector<uint64_t> at;
  Deadlines::Entry* self = nullptr;
  Deadlines::Entry a([&] {
    at.push_back(deadlines_.now());
    deadlines_.arm(*self, 100);
  });
  self = &a;
  deadlines_.arm(a, 100);
  deadlines_.advance(5000);  // long asleep: it does not catch up
  deadlines_.advance(5099);
  deadlines_.advance(5100);
  EXPECT_EQ(at, (std::vector<uint64_t>{5000, 5100}));
}

TEST_F(DeadlinesTest, NewLengthsMayComeUpWhileOthersExpire) {
  const auto b = entry("b");
  Deadlines::Entry a([&] {
    expired_ += "a";
    deadlines_.arm(*b, 50);
  });
  deadlines_.arm(a, 100);
  deadlines_.advance(1100);
  deadlines_.advance(1150);
  EXPECT_EQ(expired_, "ab");
}

TEST_F(DeadlinesTest, EntriesMayOutliveThem) {
  const auto a = entry("a");
  {
    Deadlines others(0);
    others.arm(*a, 10);
  }
  EXPECT_FALSE(a->armed());
  a->disarm();
}

}  // namespace
}  // namespace lsmtpd
