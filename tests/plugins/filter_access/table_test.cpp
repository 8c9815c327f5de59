// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "image_builder.hpp"
#include "list_text.hpp"
#include "pattern.hpp"
#include "table_set.hpp"

namespace lsmtpd::access {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    char name[] = "/tmp/lsmtpd-access-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path + ".tmp", std::ios::binary) << bytes;
    std::filesystem::rename(path + ".tmp", path);
    return path;
  }
  static std::string mapped(const std::string& text) {
    ImageBuilder builder;
    std::string error = read_list(text, builder);
    EXPECT_EQ(error, "");
    return builder.finish(error);
  }
  std::shared_ptr<const Table> load(const std::string& path, std::string& error) {
    FileState state;
    return Table::load(path, reserve(), state, error);
  }
  // Counts the bytes that are reserved.
  Table::Reserve reserve() {
    return [this](uint64_t bytes) -> std::shared_ptr<void> {
      if (reserved_ + bytes > limit_) return nullptr;
      reserved_ += bytes;
      return std::shared_ptr<void>(&reserved_, [this, bytes](void*) { reserved_ -= bytes; });
    };
  }
  static bool has(const Tables& tables, const char* name) {
    return find_name(tables[0]->image(), name).has_value();
  }

  std::string folder_;
  uint64_t reserved_ = 0, limit_ = UINT64_MAX;
};

TEST_F(Files, TextAndMappedListAreTheSame) {
  const std::string text = "10.0.0.0/8 reject 554 5.7.1 no\nexample.org\n";
  for (const auto& path : {write("text", text), write("map", mapped(text))}) {
    std::string error;
    const auto table = load(path, error);
    ASSERT_TRUE(table) << error;
    const auto number = table->image().find(*mail_names::parse_ip("10.1.1.1"));
    ASSERT_TRUE(number);
    EXPECT_EQ(table->verdict(*number)->code, 554u);
    EXPECT_TRUE(find_name(table->image(), "example.org"));
    EXPECT_EQ(table->mapped(), path.ends_with("map"));
  }
}

TEST_F(Files, MappedListTakesNoneOfTheBudget) {
  std::string error;
  limit_ = 0;
  const auto table = load(write("map", mapped("example.org\n")), error);
  EXPECT_TRUE(table) << error;
}

TEST_F(Files, TextWithoutMemoryIsRefused) {
  std::string error;
  limit_ = 10;
  EXPECT_FALSE(load(write("text", "example.org\n"), error));
  EXPECT_EQ(error, "there is no memory for it (limits.memory)");
  EXPECT_EQ(reserved_, 0u);
}

TEST_F(Files, LongTextMustBeMapped) {
  std::string error;
  EXPECT_FALSE(load(write("text", std::string(kLargestText + 1, '\n')), error));
  EXPECT_NE(error.find("lsmtpd map"), std::string::npos) << error;
}

TEST_F(Files, EachChangedOctetOfAMappedListIsNoticed) {
  const std::string good = mapped("10.0.0.0/8\nexample.org reject no\n");
  for (size_t at = 0; at < good.size(); at += 3) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::string error;
    const auto table = load(write("map", bad), error);
    EXPECT_FALSE(table) << at;
  }
}

TEST_F(Files, MissingFileAndDirectoryAreNamed) {
  std::string error;
  EXPECT_FALSE(load(folder_ + "/none", error));
  EXPECT_EQ(error, "No such file or directory");
  EXPECT_FALSE(load(folder_, error));
  EXPECT_EQ(error, "is no file");
}

TEST_F(Files, ChangedFileIsReadAgainAndOnlyOnce) {
  const std::string path = write("list", "a.example\n");
  TableSet set(reserve());
  set.add(path);
  ASSERT_EQ(set.load(0), "");
  EXPECT_TRUE(set.refresh().empty());
  write("list", mapped("b.example\n"));
  const auto old = set.current();
  const auto changes = set.refresh();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].error, "");
  EXPECT_TRUE(has(*set.current(), "b.example"));
  EXPECT_FALSE(has(*set.current(), "a.example"));
  EXPECT_TRUE(has(*old, "a.example"));  // an evaluation under way keeps its own
  EXPECT_TRUE(set.refresh().empty());
}

TEST_F(Files, FileThatCannotBeUsedKeepsTheOldVersionAndIsNamedOnce) {
  const std::string path = write("list", "a.example\n");
  TableSet set(reserve());
  set.add(path);
  ASSERT_EQ(set.load(0), "");
  write("list", "10.0.0.300\n");
  ASSERT_EQ(set.refresh().size(), 1u);
  EXPECT_TRUE(set.refresh().empty());
  std::filesystem::remove(path);
  auto changes = set.refresh();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].error, "No such file or directory");
  EXPECT_TRUE(set.refresh().empty());
  EXPECT_TRUE(has(*set.current(), "a.example"));
  write("list", "a.example\nb.example\n");
  changes = set.refresh();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(has(*set.current(), "b.example"));
}

TEST_F(Files, OldListIsGoneWhenItsLastReaderIs) {
  const std::string path = write("list", "a.example\n");
  TableSet set(reserve());
  set.add(path);
  ASSERT_EQ(set.load(0), "");
  const uint64_t one = reserved_;
  for (int i = 0; i < 50; ++i) {
    write("list", i % 2 == 0 ? "b.example\n" : "a.example\n");
    ASSERT_EQ(set.refresh().size(), 1u);
    EXPECT_EQ(reserved_, one);
  }
}

TEST_F(Files, OnePathIsOneTable) {
  TableSet set(reserve());
  EXPECT_EQ(set.add("/a"), set.add("/a"));
  EXPECT_NE(set.add("/a"), set.add("/b"));
}

}  // namespace
}  // namespace lsmtpd::access
