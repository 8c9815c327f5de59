// SPDX-License-Identifier: Apache-2.0
#include "journal/scanner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "journal/group.hpp"

namespace lsmtpd::journal {
namespace {

class Bytes : public mail_json::Input {
 public:
  explicit Bytes(const std::string& text) : text_(text) {}
  std::int64_t read_at(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (fails_at_ != 0 && offset <= fails_at_ && fails_at_ < offset + size) return -1;
    if (offset >= text_.size()) return 0;
    return static_cast<std::int64_t>(text_.copy(buffer, size, offset));
  }
  void fail_at(std::uint64_t offset) { fails_at_ = offset; }

 private:
  const std::string& text_;
  std::uint64_t fails_at_ = 0;
};

class ScannerTest : public ::testing::Test {
 protected:
  // Adds a group; the position of each record comes back.
  std::vector<std::uint32_t> group(const std::vector<std::string>& ids, std::size_t size = 100) {
    std::vector<std::uint32_t> places;
    group_.begin(segment_, end_, durable_);
    for (const std::string& id : ids) {
      places.push_back(group_.open({id, "{}", size, std::nullopt, 5, false, false}));
      group_.content(std::string(size, id[0]));
      EXPECT_TRUE(group_.close());
    }
    const std::string_view bytes = group_.finish();
    bytes_.replace(end_, bytes.size(), bytes);
    end_ = durable_ = group_.end();
    return places;
  }
  // "id", and "id!" where it is torn.
  std::string scan(bool check_all = true) {
    Bytes input(bytes_);
    Scanner scanner(input, segment_, check_all);
    std::string found;
    while (const auto record = scanner.next())
      found += (record->torn ? "!" : std::string(record->id)) + " ";
    gaps_ = scanner.gaps();
    durable_end_ = scanner.durable_end();
    return found;
  }

  SegmentHeader segment_{256 * 1024, 3, 0x123456789abcdef0};
  std::string bytes_ = std::string(256 * 1024, '\0');
  std::uint32_t end_ = kFirst, durable_ = kFirst;
  Group group_;
  std::vector<Scanner::Gap> gaps_;
  std::uint32_t durable_end_ = 0;
};

TEST_F(ScannerTest, FindsAllRecordsOfAllGroups) {
  group({"a", "b"});
  group({"c"}, 70'000);
  group({"d", "e"});
  EXPECT_EQ(scan(), "a b c d e ");
  EXPECT_EQ(scan(false), "a b c d e ");
  EXPECT_TRUE(gaps_.empty());
}

TEST_F(ScannerTest, AnEmptySegmentHasNone) {
  EXPECT_EQ(scan(), "");
}

TEST_F(ScannerTest, RecordsOfAnEarlierUseAreNotServed) {
  for (int i = 0; i < 10; ++i) group({"old", "older"});
  segment_.salt ^= 5;
  end_ = durable_ = kFirst;
  group({"new"});
  EXPECT_EQ(scan(), "new ");
}

TEST_F(ScannerTest, ATornEndIsTold) {
  group({"a"});
  const auto places = group({"b", "c"});
  bytes_[places[1] + kRecordHeader + 50] ^= 1;
  EXPECT_EQ(scan(), "a b ! ");
  EXPECT_GE(places[1], durable_end_) << "never acknowledged, as far as the segment tells";
  bytes_[places[1] + 10] ^= 1;
  EXPECT_EQ(scan(), "a b ");
}

TEST_F(ScannerTest, DamageInFrontOfLaterRecordsIsAGapThatWasDurable) {
  group({"a"});
  const auto places = group({"b", "c", "d"});
  group({"e"});
  for (std::uint32_t i = places[1]; i < places[2]; ++i) bytes_[i] = 'x';
  EXPECT_EQ(scan(), "a b d e ");
  ASSERT_EQ(gaps_.size(), 1u);
  EXPECT_EQ(gaps_[0].from, places[1]);
  EXPECT_EQ(gaps_[0].to, places[2]);
  EXPECT_LT(gaps_[0].from, durable_end_);
}

TEST_F(ScannerTest, AGroupThatIsMissingWholeIsAGap) {
  group({"a"});
  const auto places = group({"b"});
  group({"c"});
  for (std::uint32_t i = 0; i < kBlock; ++i) bytes_[places[0] + i] = '\0';
  EXPECT_EQ(scan(), "a c ");
  ASSERT_EQ(gaps_.size(), 1u);
  EXPECT_EQ(gaps_[0].to - gaps_[0].from, kBlock);
}

TEST_F(ScannerTest, ContentThatLooksLikeARecordIsNone) {
  const auto inner = group({"inner"});
  const std::string image = bytes_.substr(inner[0], 200);
  bytes_.assign(bytes_.size(), '\0');
  segment_.salt ^= 5;
  end_ = durable_ = kFirst;
  group_.begin(segment_, end_, durable_);
  group_.open({"outer", "{}", image.size(), std::nullopt, 5, false, false});
  group_.content(image);
  ASSERT_TRUE(group_.close());
  const std::string_view bytes = group_.finish();
  bytes_.replace(end_, bytes.size(), bytes);
  bytes_[kFirst] = 'x';  // its own header is lost, so each place in it is looked at
  EXPECT_EQ(scan(), "");
}

TEST_F(ScannerTest, WhatCannotBeReadIsPassedOver) {
  const auto first = group({"a"});
  group({"b"}, 100'000);
  group({"c"});
  Bytes input(bytes_);
  input.fail_at(first[0]);
  Scanner scanner(input, segment_, true);
  while (scanner.next()) continue;
  EXPECT_TRUE(scanner.unreadable());
}

TEST_F(ScannerTest, OfRemovalsTheChecksumIsAlwaysLookedAt) {
  group_.begin(segment_, end_, durable_);
  group_.removals({{1, 4096, false}, {2, 8192, true}});
  const std::string_view bytes = group_.finish();
  bytes_.replace(end_, bytes.size(), bytes);
  Bytes input(bytes_);
  const auto record = Scanner(input, segment_, false).next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->header.kind, Kind::removals);
  EXPECT_EQ(record->header.payload_size, 2 * kRemoval);
  bytes_[kFirst + kRecordHeader] ^= 1;
  EXPECT_TRUE(Scanner(input, segment_, false).next()->torn);
}

}  // namespace
}  // namespace lsmtpd::journal
