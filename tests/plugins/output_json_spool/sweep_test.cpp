// SPDX-License-Identifier: Apache-2.0
#include "sweep.hpp"

#include <algorithm>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// The sweep by hand: no thread, and time as the test says.
class SweepTest : public SpoolTest {
 protected:
  void SetUp() override {
    SpoolTest::SetUp();
    directory_handle_ =
        std::make_unique<Directory>(*Directory::open_for_daemon(files_, directory_.string()));
    Faults::get().space(FreeSpace{1'000'000, 1000, true});
  }
  void make(const Settings& settings) {
    capacity_ = std::make_unique<Capacity>(settings);
    sweep_ = std::make_unique<Sweep>(
        files_, *directory_handle_, *capacity_,
        [this](const Capacity::Change& change) { changes_.push_back(change.ready); });
  }
  // Goes on until a whole sweep is over.
  void sweep() {
    const std::int64_t end = now_ms_ + 60'000;
    while (now_ms_ < end) now_ms_ += std::max<std::int64_t>(1, sweep_->turn(now_ms_));
  }

  FaultyFiles files_;
  std::unique_ptr<Directory> directory_handle_;
  std::unique_ptr<Capacity> capacity_;
  std::unique_ptr<Sweep> sweep_;
  std::vector<bool> changes_;
  std::int64_t now_ms_ = 1;
};

TEST_F(SweepTest, SpoolBelowItsFloorRefusesAndRecovers) {
  Settings settings;
  settings.min_free = 500'000;
  settings.min_free_inodes = 100;
  make(settings);
  sweep_->turn(now_ms_);
  EXPECT_TRUE(capacity_->ready());
  Faults::get().space(FreeSpace{499'999, 1000, true});
  sweep_->turn(now_ms_ += 1000);
  EXPECT_FALSE(capacity_->ready());
  EXPECT_NE(capacity_->reason().find("free space"), std::string::npos);
  Faults::get().space(FreeSpace{500'000, 99, true});
  sweep_->turn(now_ms_ += 1000);
  EXPECT_NE(capacity_->reason().find("inodes"), std::string::npos);
  Faults::get().space(FreeSpace{500'000, 0, false});
  sweep_->turn(now_ms_ += 1000);
  EXPECT_TRUE(capacity_->ready());
  EXPECT_EQ(changes_, (std::vector<bool>{false, true}));
}

TEST_F(SweepTest, FreeSpaceIsAskedForOnceASecondAtMost) {
  make({});
  for (int i = 0; i < 100; ++i) sweep_->turn(now_ms_ += 10);
  EXPECT_LE(Faults::get().count("free_space"), 1);
}

TEST_F(SweepTest, UnknownFreeSpaceRefusesMail) {
  make({});
  Faults::get().fail("free_space", 1, EIO);
  sweep_->turn(now_ms_);
  EXPECT_FALSE(capacity_->ready());
  sweep_->turn(now_ms_ += 1000);
  EXPECT_TRUE(capacity_->ready());
}

TEST_F(SweepTest, ADirectoryThatIsNotWhereItsPathSaysIsNoticedWithinASecond) {
  make({});
  sweep_->turn(now_ms_);
  ASSERT_TRUE(capacity_->ready());
  fs::rename(directory_, root_ / "elsewhere");
  sweep_->turn(now_ms_ += 1000);
  EXPECT_FALSE(capacity_->ready());
  EXPECT_FALSE(capacity_->in_place());
  EXPECT_NE(capacity_->reason().find("renamed, removed or replaced"), std::string::npos);
  fs::create_directory(directory_);
  sweep_->turn(now_ms_ += 1000);
  EXPECT_FALSE(capacity_->ready()) << "another directory in its place";
  fs::remove(directory_);
  fs::rename(root_ / "elsewhere", directory_);
  sweep_->turn(now_ms_ += 1000);
  EXPECT_TRUE(capacity_->ready());
  EXPECT_TRUE(capacity_->in_place());
  EXPECT_EQ(changes_, (std::vector<bool>{false, true}));
}

TEST_F(SweepTest, WithoutLimitsTheDirectoryIsNotGoneThrough) {
  make({});
  Faults::get().reset();
  sweep();
  EXPECT_EQ(Faults::get().count("list"), 0);
}

TEST_F(SweepTest, BytesAreCountedInStepsAndHoldAfterwards) {
  for (int i = 0; i < 1000; ++i) write("id-" + std::to_string(i) + ".json", "0123456789");
  write("other.txt", std::string(1000, 'x'));
  Settings settings;
  settings.max_bytes = 10'500;
  make(settings);
  Faults::get().reset();
  Faults::get().now((static_cast<std::int64_t>(::time(nullptr)) + 100) * kSecond);
  sweep_->turn(now_ms_);
  EXPECT_EQ(Faults::get().count("info_in"), static_cast<int>(Sweep::kStep));
  sweep();
  EXPECT_EQ(capacity_->used(), 10'000);
  EXPECT_TRUE(capacity_->has_room(500));
  EXPECT_FALSE(capacity_->has_room(501));
  capacity_->stored(600);
  sweep_->look_at_space();
  EXPECT_FALSE(capacity_->ready());
  EXPECT_NE(capacity_->reason().find("max_bytes"), std::string::npos);
  capacity_->removed(600);
  sweep_->look_at_space();
  EXPECT_TRUE(capacity_->ready());
}

TEST_F(SweepTest, FileChangedDuringASweepIsCountedOnce) {
  for (int i = 0; i < 300; ++i) write("id-" + std::to_string(i) + ".json", "0123456789");
  Settings settings;
  settings.max_bytes = 1'000'000;
  make(settings);
  Faults::get().now((static_cast<std::int64_t>(::time(nullptr)) + 100) * kSecond);
  sweep_->turn(now_ms_);
  capacity_->stored(77);
  sweep();
  EXPECT_GE(capacity_->used(), 3000);
  EXPECT_LE(capacity_->used(), 3077);
}

TEST_F(SweepTest, FilesFromBeforeTheClockWasSetBackCountToo) {
  for (int i = 0; i < 300; ++i) write("id-" + std::to_string(i) + ".json", "0123456789");
  Settings settings;
  settings.max_bytes = 1'000'000;
  make(settings);
  Faults::get().now((static_cast<std::int64_t>(::time(nullptr)) - 3600) * kSecond);
  sweep();
  EXPECT_EQ(capacity_->used(), 3000);
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
