// SPDX-License-Identifier: Apache-2.0
#include "message/body.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace lsmtpd::message {
namespace {

// A folder of this test's own; gone with it.
class Folder {
 public:
  Folder() {
    std::string path = testing::TempDir() + "body_test_XXXXXX";
    if (::mkdtemp(path.data())) path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::string path_;
};

std::string content(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// All of it, through peek() as far as that goes.
std::string peeked(const Body& body) {
  std::string all;
  for (std::string_view piece; !(piece = body.peek(all.size())).empty();) all += piece;
  return all;
}

std::string read_all(const Body& body, size_t at_a_time) {
  std::string all, buffer(at_a_time, '\0');
  for (int64_t n; (n = body.read(all.size(), buffer.data(), buffer.size())) > 0;) {
    all.append(buffer, 0, static_cast<size_t>(n));
  }
  return all;
}

// Writes as a connection does: flushes when it is asked to.
std::shared_ptr<const Body> write(ResourceLimits& resources, const std::string& text,
                                  size_t piece) {
  BodyWriter writer(resources);
  for (size_t at = 0; at < text.size(); at += piece) {
    if (!writer.append(std::string_view(text).substr(at, piece))) return nullptr;
    if (writer.wants_flush() && !writer.flush()) return nullptr;
  }
  return writer.finish();
}

class BodyTest : public testing::Test {
 protected:
  Folder folder_;
  ResourceLimits resources_{1u << 20, 4u << 20, folder_.path()};
};

TEST_F(BodyTest, AnEmptyOneHasNothing) {
  BodyWriter writer(resources_);
  EXPECT_FALSE(writer.wants_flush());
  const auto body = writer.finish();
  char byte;
  EXPECT_EQ(body->size(), 0u);
  EXPECT_TRUE(body->peek(0).empty());
  EXPECT_EQ(body->read(0, &byte, 1), 0);
  EXPECT_EQ(resources_.memory.used(), 0u);
}

TEST_F(BodyTest, StaysInMemoryWhileThereIsRoom) {
  for (const size_t piece : {1, 7, 1000, 65536}) {
    const std::string text = content(200'000);
    const auto body = write(resources_, text, piece);
    ASSERT_TRUE(body);
    EXPECT_FALSE(body->spilled());
    EXPECT_EQ(body->size(), text.size());
    EXPECT_EQ(peeked(*body), text) << piece;
    EXPECT_EQ(read_all(*body, 333), text) << piece;
    EXPECT_GE(resources_.memory.used(), text.size());
    EXPECT_LE(resources_.memory.used(), 2 * text.size() + piece);
  }
  EXPECT_EQ(resources_.memory.used(), 0u);
}

TEST_F(BodyTest, CanBeReadFromEveryOffset) {
  const std::string text = content(3000);
  for (const uint64_t limit : {uint64_t{1} << 20, uint64_t{2000}}) {
    ResourceLimits resources(limit, 1u << 20, folder_.path());
    const auto body = write(resources, text, 97);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->spilled(), limit == 2000);
    for (size_t at = 0; at <= text.size() + 1; ++at) {
      char buffer[50];
      const auto n = body->read(at, buffer, sizeof buffer);
      if (at >= text.size()) {
        ASSERT_EQ(n, 0);
        ASSERT_TRUE(body->peek(at).empty());
        continue;
      }
      ASSERT_GT(n, 0);
      ASSERT_EQ(std::string(buffer, static_cast<size_t>(n)),
                text.substr(at, static_cast<size_t>(n)));
      if (!body->spilled()) {
        const auto piece = body->peek(at);
        ASSERT_FALSE(piece.empty());
        ASSERT_EQ(piece, std::string_view(text).substr(at, piece.size()));
      }
    }
    EXPECT_EQ(body->read(0, nullptr, 0), 0) << "nothing asked for is no error";
  }
}

TEST_F(BodyTest, SpillsPastTheSoftLimit) {
  const std::string text = content(2u << 20);
  const auto body = write(resources_, text, 65536);
  ASSERT_TRUE(body);
  EXPECT_TRUE(body->spilled());
  EXPECT_TRUE(body->peek(0).empty());
  EXPECT_EQ(read_all(*body, 10'000), text);
  EXPECT_EQ(resources_.memory.used(), 0u) << "all of it is in the file";
  EXPECT_EQ(resources_.spill.used(), text.size());
  EXPECT_TRUE(folder_.empty()) << "the file has no name";
}

TEST_F(BodyTest, ReleasesAllBudgets) {
  {
    const auto spilled = write(resources_, content(2u << 20), 65536);
    const auto kept = write(resources_, content(100'000), 65536);
    ASSERT_TRUE(spilled && kept);
    BodyWriter dropped(resources_);
    ASSERT_TRUE(dropped.append(content(50'000)));
  }
  EXPECT_EQ(resources_.memory.used(), 0u);
  EXPECT_EQ(resources_.spill.used(), 0u);
}

TEST_F(BodyTest, WantsNoFlushBelowTheSoftLimitAndOneAbove) {
  BodyWriter writer(resources_);
  const uint64_t others = resources_.soft_limit() - 10'000 - BodyWriter::kChunkOverhead;
  ASSERT_TRUE(resources_.memory.reserve(others));
  ASSERT_TRUE(writer.append(content(10'000)));
  EXPECT_FALSE(writer.wants_flush());
  ASSERT_TRUE(writer.append("x"));
  EXPECT_TRUE(writer.wants_flush());
  ASSERT_TRUE(writer.flush());
  EXPECT_FALSE(writer.wants_flush()) << "nothing is left in memory";
  EXPECT_TRUE(writer.spilled());
  resources_.memory.release(others);
  ASSERT_TRUE(writer.append("y"));
  EXPECT_TRUE(writer.wants_flush()) << "a body that is in its file goes on there";
  ASSERT_TRUE(writer.flush());
  EXPECT_EQ(read_all(*writer.finish(), 4096), content(10'000) + "xy");
}

TEST_F(BodyTest, FailsAtTheHardLimit) {
  const uint64_t left = 1000 + BodyWriter::kChunkOverhead;
  ASSERT_TRUE(resources_.memory.reserve(resources_.memory.limit() - left));
  {
    BodyWriter writer(resources_);
    EXPECT_TRUE(writer.append(content(1000)));
    EXPECT_FALSE(writer.append("x"));
  }
  EXPECT_EQ(resources_.memory.used(), resources_.memory.limit() - left);
}

// Once a body is in its file, a piece takes its own size and no more: else a few dozen large mails
// on their way to their files would use up what the soft limit leaves.
TEST_F(BodyTest, TakesNoMoreThanThePieceOnceItIsSpilled) {
  BodyWriter writer(resources_);
  ASSERT_TRUE(writer.append(content(900'000)));
  ASSERT_TRUE(writer.wants_flush());
  ASSERT_TRUE(writer.flush());
  ASSERT_EQ(resources_.memory.used(), 0u);
  ASSERT_TRUE(writer.append(content(1000)));
  EXPECT_EQ(resources_.memory.used(), 1000 + BodyWriter::kChunkOverhead);
}

// How many system calls that write this process has made; nothing where the kernel does not count,
// or a sanitizer, which writes to a pipe to see if an address is readable, counts too.
std::optional<uint64_t> write_calls() {
#ifdef __SANITIZE_ADDRESS__
  return std::nullopt;
#endif
  std::ifstream io("/proc/self/io");
  std::string key;
  for (uint64_t value; io >> key >> value;) {
    if (key == "syscw:") return value;
  }
  return std::nullopt;
}

TEST_F(BodyTest, ShortPiecesOfASpilledBodyShareMemoryAndWrites) {
  BodyWriter writer(resources_);
  std::string all = content(900'000);
  ASSERT_TRUE(writer.append(all));
  ASSERT_TRUE(writer.flush());
  constexpr uint64_t kPieces = 20'000;
  for (uint64_t i = 0; i < kPieces; ++i) {
    const std::string piece = content(i % 3 + 1);
    ASSERT_TRUE(writer.append(piece));
    all += piece;
  }
  const uint64_t waits = all.size() - 900'000;
  EXPECT_GE(resources_.memory.used(), waits);
  EXPECT_LE(resources_.memory.used(), 2 * waits + 4096) << "few chunks, and hardly empty ones";
  const auto before = write_calls();
  ASSERT_TRUE(writer.flush());
  const auto after = write_calls();
  if (before && after) {
    EXPECT_LE(*after - *before, 2u);
  }
  EXPECT_EQ(resources_.memory.used(), 0u);
  EXPECT_EQ(read_all(*writer.finish(), 10'000), all);
}

// The counted memory is the memory in use: the same pieces, each with a chunk of its own, would be
// counted as a tenth of what they take.
TEST_F(BodyTest, ShortPiecesPastTheSoftLimitShareChunks) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.soft_limit()));
  BodyWriter writer(resources_);
  ASSERT_TRUE(writer.append("x"));
  const uint64_t first = resources_.memory.used();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(writer.append("..."));
  EXPECT_EQ(resources_.memory.used(), first) << "the first chunk has room for all of them";
  EXPECT_GT(first - resources_.soft_limit(), BodyWriter::kChunkOverhead);
}

// A file system that takes a gathered write in part, here by a limit on the size of files, must not
// lose the rest of it without a word.
TEST_F(BodyTest, AGatheredWriteThatEndsEarlyIsAnError) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{150'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  BodyWriter writer(resources_);
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(writer.append(content(100)));
  const Status flushed = writer.flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_FALSE(flushed);
  ASSERT_TRUE(writer.flush()) << "nothing was lost, so it can be tried again";
  std::string all;
  for (int i = 0; i < 2000; ++i) all += content(100);
  EXPECT_EQ(read_all(*writer.finish(), 10'000), all);
}

TEST_F(BodyTest, FailsAtTheSpillLimitAndSaysWhich) {
  ResourceLimits resources(1000, 5000, folder_.path());
  {
    BodyWriter writer(resources);
    Status status;
    size_t written = 0;
    while (status) {
      ASSERT_TRUE(writer.append(content(900)));
      written += 900;
      ASSERT_LT(written, 6000u);
      status = writer.flush();
    }
    EXPECT_GT(written, 5000u);
    EXPECT_NE(status.error().message.find("limits.spill"), std::string::npos);
  }
  EXPECT_EQ(resources.spill.used(), 0u);
  EXPECT_EQ(resources.memory.used(), 0u);
}

TEST_F(BodyTest, SaysWhyThereIsNoFile) {
  ResourceLimits resources(1000, 5000, folder_.path() + "/missing");
  BodyWriter writer(resources);
  ASSERT_TRUE(writer.append(content(900)));
  const auto status = writer.flush();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find(folder_.path() + "/missing"), std::string::npos);
  EXPECT_NE(status.error().message.find("limits.spill_directory"), std::string::npos);
}

TEST(BodyWriterTest, PastTheSoftLimitItTakesNoMoreThanItNeeds) {
  const Folder folder;
  ResourceLimits resources(1'000'000, 1 << 20, folder.path());
  BodyWriter large(resources), writer(resources);
  ASSERT_TRUE(resources.memory.reserve(700'000));
  ASSERT_TRUE(large.append(content(100'000)));
  const uint64_t before = resources.memory.used();
  ASSERT_GT(before, resources.soft_limit());
  ASSERT_TRUE(writer.append(content(1000)));
  EXPECT_EQ(resources.memory.used(), before + 1000 + BodyWriter::kChunkOverhead);
}

TEST(BodyWriterTest, SpillFilesAreCountedAgainstTheirLimit) {
  const Folder folder;
  ResourceLimits resources(1000, 1 << 20, folder.path(), 1);
  BodyWriter first(resources), second(resources);
  ASSERT_TRUE(first.append(content(800)));
  ASSERT_TRUE(first.flush());
  ASSERT_TRUE(second.append(content(800)));
  const auto refused = second.flush();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("LimitNOFILE="), std::string::npos);
  first.finish();
  EXPECT_EQ(resources.spill_files.used(), 0u);
  EXPECT_TRUE(second.flush());
  EXPECT_EQ(second.finish()->size(), 800u);
}

}  // namespace
}  // namespace lsmtpd::message
