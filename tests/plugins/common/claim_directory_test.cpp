// SPDX-License-Identifier: Apache-2.0
// The store of claim_check in a directory: what is stored when, and what is left after a failure.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mail_json/sha256.hpp>
#include <sink/claim_directory.hpp>
#include <vector>

namespace lsmtpd::sink {
namespace {

namespace fs = std::filesystem;

// Bytes from memory; fails at `broken` of them.
class Text : public Source {
 public:
  Text(std::string text, std::size_t broken) : text_(std::move(text)), broken_(broken) {}
  bool prepare() override { return true; }
  std::uint64_t size() const override { return text_.size(); }
  std::int64_t produce(char* out, std::size_t room) override {
    if (given_ >= broken_) return -1;
    const std::size_t count = text_.copy(out, room, given_);
    given_ += count;
    return static_cast<std::int64_t>(count);
  }

 private:
  std::string text_;
  std::size_t broken_;
  std::size_t given_ = 0;
};

class ClaimDirectoryTest : public testing::Test {
 protected:
  ClaimDirectoryTest()
      : folder_(fs::temp_directory_path() /
                ("claims-" + std::to_string(::getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
  }
  ~ClaimDirectoryTest() override { fs::remove_all(folder_); }

  StoreResult put(const std::string& key, const std::string& text, bool dropped = false,
                  std::size_t broken = SIZE_MAX) {
    const auto make = [&] { return std::make_unique<Text>(text, broken); };
    ClaimBody body(make(), make, &buffer_);
    return store_.put(key, body, std::atomic<bool>(dropped));
  }
  std::string content(const std::string& key) const {
    std::ifstream file(folder_ / key, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

  const fs::path folder_;
  std::string buffer_ = std::string(1000, '\0');
  ClaimDirectory store_{folder_.string()};
};

TEST_F(ClaimDirectoryTest, ABodyIsThereWholeWithItsHash) {
  const std::string text = std::string(123'456, 'x') + std::string(1, '\0') + "\xff\r\n";
  const StoreResult result = put("id.broker", text);
  EXPECT_EQ(result.why, "");
  EXPECT_EQ(result.location, (folder_ / "id.broker").string());
  mail_json::Sha256 hash;
  hash.add(text);
  EXPECT_EQ(result.sha256, hash.digits());
  EXPECT_EQ(content("id.broker"), text);
  EXPECT_EQ(names(), std::vector<std::string>{"id.broker"});
}

TEST_F(ClaimDirectoryTest, TheHashIsThatOfTheStandard) {
  mail_json::Sha256 hash;
  hash.add("abc");
  EXPECT_EQ(hash.digits(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(ClaimDirectoryTest, ItsGroupMayReadWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  EXPECT_EQ(put("id", "text").why, "");
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "id").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST_F(ClaimDirectoryTest, AResendReplacesIt) {
  EXPECT_EQ(put("id", "first").why, "");
  EXPECT_EQ(put("id", "second, longer").why, "");
  EXPECT_EQ(content("id"), "second, longer");
  EXPECT_EQ(names().size(), 1U);
}

TEST_F(ClaimDirectoryTest, ContentThatCannotBeReadLeavesTheOldBody) {
  EXPECT_EQ(put("id", "first").why, "");
  EXPECT_EQ(put("id", std::string(5000, 'x'), false, 3000).why, "the content could not be read");
  EXPECT_EQ(content("id"), "first");
  EXPECT_EQ(names().size(), 1U) << "the unfinished file goes";
}

TEST_F(ClaimDirectoryTest, AnAttemptThatWasGivenUpStoresNothing) {
  EXPECT_NE(put("id", "text", true).why, "");
  EXPECT_TRUE(names().empty());
}

TEST_F(ClaimDirectoryTest, ADirectoryThatIsGoneIsAReason) {
  fs::remove_all(folder_);
  const StoreResult result = put("id", "text");
  EXPECT_EQ(result.why, std::string("open of the directory: ") + std::strerror(ENOENT));
  EXPECT_FALSE(result.no_space);
  EXPECT_NE(store_.probe(), "");
  EXPECT_NE(store_.remove("id"), "");
}

TEST_F(ClaimDirectoryTest, RemovingTwiceIsWell) {
  EXPECT_EQ(put("id", "text").why, "");
  EXPECT_EQ(store_.remove("id"), "");
  EXPECT_EQ(store_.remove("id"), "");
  EXPECT_TRUE(names().empty());
}

TEST_F(ClaimDirectoryTest, AProbeLeavesNothing) {
  EXPECT_EQ(store_.probe(), "");
  EXPECT_TRUE(names().empty());
}

TEST_F(ClaimDirectoryTest, TheListHasFilesWithSizeAndAge) {
  EXPECT_EQ(put("id", "text").why, "");
  fs::create_directory(folder_ / "folder");
  fs::last_write_time(folder_ / "id", fs::file_time_type::clock::now() - std::chrono::hours(3));
  std::vector<StoredObject> found;
  EXPECT_EQ(store_.list([&](const StoredObject& object) { found.push_back(object); }), "");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key, "id");
  EXPECT_EQ(found[0].size, 4U);
  EXPECT_NEAR(static_cast<double>(found[0].age_s), 3 * 3600.0, 60.0);
}

}  // namespace
}  // namespace lsmtpd::sink
