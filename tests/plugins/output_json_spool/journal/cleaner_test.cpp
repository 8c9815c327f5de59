// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <set>

#include "journal_fixture.hpp"

namespace lsmtpd::journal::testing {
namespace {

using CleanerTest = JournalTest;

TEST_F(CleanerTest, SegmentsOfRemovedMessagesAreUsedAgain) {
  open();
  const std::string text(20'000, 'x');
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 12; ++i) EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
    for (int i = 0; i < 12; ++i) EXPECT_EQ(remove("id-" + std::to_string(i)), 0);
  }
  wait_until([this] { return journal_->bytes() <= 2 * settings_.segment_size; });
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, 0u);
}

TEST_F(CleanerTest, FewFilesTakeAtMostTwiceWhatLivesAndTwoSegments) {
  open();
  std::mt19937 chance(11);
  std::set<int> kept;
  const std::string text(3000, 'x');
  int next = 0;
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(store("id-" + std::to_string(next), text), 0);
      kept.insert(next++);
    }
    for (auto id = kept.begin(); id != kept.end();) {
      if (chance() % 8 == 0) {
        ++id;
        continue;
      }
      EXPECT_EQ(remove("id-" + std::to_string(*id)), 0);
      id = kept.erase(id);
    }
  }
  const std::uint64_t live = journal_->copies().totals().waiting_bytes;
  // Removals that guard other segments live too.
  wait_until(
      [&] { return journal_->bytes() <= 2 * (live + 16 * 3000) + 2 * settings_.segment_size; });
  for (const int id : kept) EXPECT_EQ(read("id-" + std::to_string(id)), text);
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, kept.size());
  for (const int id : kept) EXPECT_EQ(read("id-" + std::to_string(id)), text);
}

TEST_F(CleanerTest, WhereManySegmentsAreHalfAliveOneSegmentIsLeftBeyondTwiceWhatLives) {
  open();
  const std::string text(3000, 'x');
  constexpr int kStored = 900;
  int removed = 0;
  for (int i = 0; i < kStored; ++i) EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
  for (int i = 0; i < kStored; ++i) {
    if (i % 25 >= 12) continue;  // 48 % of each segment are removed
    EXPECT_EQ(remove("id-" + std::to_string(i)), 0);
    ++removed;
  }
  const std::uint64_t live = journal_->copies().totals().waiting_bytes;
  EXPECT_GT(live, 5 * settings_.segment_size);
  // Removals that guard other segments live too.
  const std::uint64_t guards = 16 * static_cast<std::uint64_t>(removed);
  wait_until([&] { return journal_->bytes() <= 2 * (live + guards) + settings_.segment_size; });
  reopen();
  for (int i = 0; i < kStored; ++i) {
    if (i % 25 < 12) continue;
    EXPECT_EQ(read("id-" + std::to_string(i)), text) << i;
  }
}

TEST_F(CleanerTest, WhereTheDiskIsBusyASegmentIsFilledPieceByPiece) {
  constexpr int kPieces = 8;
  SegmentFiles segments(*files_, directory_, kPieces * 512 * 1024, true);
  const auto flushes = [&](SegmentFiles::Disk disk, std::uint64_t number) {
    Faults::get().reset();
    EXPECT_EQ(segments.create(number, disk), 0);
    return Faults::get().count("sync_data");
  };
  EXPECT_EQ(flushes(SegmentFiles::Disk::busy, 1), kPieces + 1);
  EXPECT_EQ(flushes(SegmentFiles::Disk::idle, 2), 1);
}

TEST_F(CleanerTest, TheNextSegmentIsFilledPieceByPieceWhileMessagesAreStored) {
  settings_.segment_size = 4 * 1024 * 1024;
  open();
  const std::string text(100'000, 'x');
  EXPECT_EQ(store("first", text), 0);
  Faults::get().reset();
  constexpr int kStored = 11;  // more than a quarter of the segment
  for (int i = 0; i < kStored; ++i) EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
  wait_until([this] { return journal_->bytes() == 2 * settings_.segment_size; });
  EXPECT_EQ(Faults::get().count("sync_data"), kStored + 8 + 1);
}

// A message that stays keeps neither the segments before it nor those after it.
TEST_F(CleanerTest, AnOldMessageThatStaysHoldsNoOtherSegment) {
  open();
  EXPECT_EQ(store("old", "stays"), 0);
  const std::string text(20'000, 'x');
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
    EXPECT_EQ(remove("id-" + std::to_string(i)), 0);
  }
  wait_until([this] { return journal_->bytes() <= 3 * settings_.segment_size; });
  EXPECT_EQ(read("old"), "stays");
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
  EXPECT_EQ(read("old"), "stays");
}

TEST_F(CleanerTest, WithoutRecyclingSegmentsGrowAndGo) {
  settings_.recycle = false;
  open();
  EXPECT_EQ(store("one", "x"), 0);
  EXPECT_LE(fs::file_size(root_ / "journal" / names(".segment").front()), 3 * kBlock);
  const std::string text(20'000, 'x');
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
    EXPECT_EQ(remove("id-" + std::to_string(i)), 0);
  }
  wait_until([this] { return names(".segment").size() <= 3; });
  reopen();
  EXPECT_EQ(read("one"), "x");
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
}

TEST_F(CleanerTest, AHeaderThatCannotBeFreedKeepsItsSegmentOutOfUse) {
  open();
  const std::string text(20'000, 'x');
  for (int i = 0; i < 11; ++i) EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
  for (int i = 0; i < 11; ++i) EXPECT_EQ(remove("id-" + std::to_string(i)), 0);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(store("more-" + std::to_string(i), text), 0);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(read("more-" + std::to_string(i)), text);
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, 60u);
}

}  // namespace
}  // namespace lsmtpd::journal::testing
