// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sink/spooled_copies.hpp>
#include <string>

namespace lsmtpd::sink {
namespace {

namespace fs = std::filesystem;

class SpooledCopiesTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_ / "journal"); }
  void TearDown() override { fs::remove_all(folder_); }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / ("spooled_copies." + std::to_string(::getpid()));
};

TEST_F(SpooledCopiesTest, ACopyOrAPartOfItIsInAFile) {
  std::ofstream(folder_ / "one.json") << "{}";
  SpooledCopies copies(folder_);
  std::string error;
  EXPECT_TRUE(copies.has("one", error));
  EXPECT_TRUE(copies.has("one.2", error));
  EXPECT_FALSE(copies.has("two", error));
  EXPECT_EQ(error, "");
}

TEST_F(SpooledCopiesTest, WhereASegmentCannotBeReadEachKeyCountsAsWaiting) {
  fs::create_directory(folder_ / "journal/0000000000000001.segment");  // reading it fails
  SpooledCopies copies(folder_);
  for (int i = 0; i < 3; ++i) {
    std::string error;
    EXPECT_TRUE(copies.has("one", error)) << i;
    EXPECT_NE(error, "") << i;
  }
}

}  // namespace
}  // namespace lsmtpd::sink
