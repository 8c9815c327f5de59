// SPDX-License-Identifier: Apache-2.0
#include "relocation.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "faulty_files.hpp"
#include "operator_log.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

namespace fs = std::filesystem;

const std::string kMail =
    R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"own","client_address":"pc",)"
    R"("recipients":["<r@example.org>"],"email_content":"hi\r\n","sender":"s@example.org"})";

class RelocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Faults::get().reset();
    std::string name = ::testing::TempDir() + "lsmtpd-move-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "from" / "dead");
    fs::create_directories(root_ / "from" / "quarantine");
    fs::create_directory(root_ / "to");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  std::string read(const std::string& name) {
    std::ifstream file(root_ / name, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool there(const std::string& name) { return fs::exists(root_ / name); }

  // The problem of each message.
  std::map<std::string, std::string> relocate(Relocation::Settings settings) {
    const auto from = Directory::open_for_reading(files_, root_ / "from");
    const auto to = Directory::open_for_storing(files_, root_ / "to");
    if (!from || !to) return {{"", "cannot open"}};
    std::map<std::string, std::string> told;
    Relocation relocation(
        files_, *from, *to, settings,
        [&](const CopyKey& key, const std::string& problem) { told[key.id] = problem; });
    FileStore store(files_, *from);
    const auto done =
        store.each({true, true, true}, Store::Order::oldest_first, [&](const CopyKey& key) {
          relocation.add(key);
          return true;
        });
    EXPECT_TRUE(done);
    relocation.finish();
    return told;
  }
  using Told = std::map<std::string, std::string>;

  FaultyFiles files_;
  fs::path root_;
};

TEST_F(RelocationTest, EachStateGoesToItsFolderWithItsReason) {
  write("from/a.json", kMail);
  write("from/dead/b.json", kMail);
  write("from/dead/b.reason", R"({"reason":"refused"})");
  write("from/quarantine/c.json", "{");
  for (const bool link : {true, false}) {
    EXPECT_EQ(relocate({.link = link}), (Told{{"a", ""}, {"b", ""}, {"c", ""}}));
    EXPECT_EQ(read("to/a.json"), kMail);
    EXPECT_EQ(read("to/dead/b.json"), kMail);
    EXPECT_EQ(read("to/dead/b.reason"), R"({"reason":"refused"})");
    EXPECT_EQ(read("to/quarantine/c.json"), "{");
    EXPECT_FALSE(there("from/a.json") || there("from/dead/b.json") || there("from/dead/b.reason"));
    EXPECT_TRUE(fs::is_empty(root_ / "to" / "tmp"));
    fs::rename(root_ / "from", root_ / "x");  // and back with the other way of doing it
    fs::rename(root_ / "to", root_ / "from");
    fs::rename(root_ / "x", root_ / "to");
  }
}

TEST_F(RelocationTest, AMessageStaysUntilItIsDurableAtItsNewPlace) {
  for (const char* fault :
       {"write", "sync_data", "close", "sync_directory", "rename_new", "open_new"}) {
    write("from/a.json", kMail);
    fs::remove(root_ / "to" / "a.json");
    {
      // The folders of the new place are made before the fault.
      const auto to = Directory::open_for_storing(files_, root_ / "to");
      ASSERT_TRUE(to);
      const auto from = Directory::open_for_reading(files_, root_ / "from");
      Faults::get().fail(fault, 0, EIO);
      std::string problem;
      Relocation relocation(files_, *from, *to, {.link = false},
                            [&](const CopyKey&, const std::string& told) { problem = told; });
      relocation.add({State::waiting, "a"});
      relocation.finish();
      Faults::get().heal();
      EXPECT_NE(problem, "") << fault;
    }
    EXPECT_EQ(read("from/a.json"), kMail) << fault;
    EXPECT_TRUE(fs::is_empty(root_ / "to" / "tmp")) << fault;
    EXPECT_EQ(relocate({.link = false}), (Told{{"a", ""}})) << fault << ", and again";
    EXPECT_EQ(read("to/a.json"), kMail);
  }
}

TEST_F(RelocationTest, TheDirectoryIsSyncedBeforeTheOldOneGoes) {
  write("from/a.json", kMail);
  for (const bool link : {true, false}) {
    Faults::get().reset();
    relocate({.link = link});
    const auto calls = Faults::get().calls();
    const auto last = [&](const char* name) {
      return std::find(calls.rbegin(), calls.rend(), name).base() - calls.begin();
    };
    EXPECT_LT(last(link ? "link" : "rename_new"), last("sync_directory"));
    EXPECT_LT(last("sync_directory"), last("unlink"));
    fs::rename(root_ / "to" / "a.json", root_ / "from" / "a.json");
  }
}

TEST_F(RelocationTest, OneThatIsThereAlreadyIsTakenForDoneIfItIsTheSame) {
  for (const bool link : {true, false}) {
    write("from/a.json", kMail);
    write("to/a.json", kMail);
    write("from/b.json", kMail);
    write("to/b.json", "another");
    const Told told = relocate({.link = link});
    EXPECT_EQ(told.at("a"), "");
    EXPECT_FALSE(there("from/a.json"));
    EXPECT_NE(told.at("b").find("another message of this ID"), std::string::npos);
    EXPECT_EQ(read("from/b.json"), kMail);
    EXPECT_EQ(read("to/b.json"), "another");
  }
}

TEST_F(RelocationTest, AMessageThatIsNotWholeIsNotImported) {
  write("from/torn.json", kMail.substr(0, kMail.size() - 3));
  write("from/whole.json", kMail);
  const Told told = relocate({.check = true, .link = false, .new_time = true});
  EXPECT_NE(told.at("torn"), "");
  EXPECT_EQ(told.at("whole"), "");
  EXPECT_TRUE(there("from/torn.json"));
  EXPECT_FALSE(there("to/torn.json"));
}

TEST_F(RelocationTest, AMoveKeepsTheTimeOfAFileAndAnImportGivesANewOne) {
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(100);
  const auto age = [&] {
    return fs::file_time_type::clock::now() - fs::last_write_time(root_ / "to" / "a.json");
  };
  for (const bool link : {true, false}) {
    write("from/a.json", kMail);
    fs::last_write_time(root_ / "from" / "a.json", long_ago);
    relocate({.link = link});
    EXPECT_GT(age(), std::chrono::hours(99));
    fs::remove(root_ / "to" / "a.json");
  }
  write("from/a.json", kMail);
  fs::last_write_time(root_ / "from" / "a.json", long_ago);
  relocate({.check = true, .link = false, .new_time = true});
  EXPECT_LT(age(), std::chrono::hours(1));
}

TEST_F(RelocationTest, AllAreVisitedInOrderHoweverSmallTheWindow) {
  std::vector<std::string> wanted;
  for (int i = 0; i < 25; ++i) {
    const std::string id = "id-" + std::to_string((i * 7) % 25);
    write("from/" + id + ".json", kMail);
    fs::last_write_time(root_ / "from" / (id + ".json"),
                        fs::file_time_type::clock::now() - std::chrono::hours(100 - i));
    wanted.push_back(id);
  }
  const auto from = Directory::open_for_reading(files_, root_ / "from");
  ASSERT_TRUE(from);
  for (const std::size_t window : {1, 7, 25, 100}) {
    FileStore store(files_, *from, window);
    std::vector<std::string> got;
    ASSERT_TRUE(
        store.each({true, false, false}, Store::Order::oldest_first, [&](const CopyKey& key) {
          got.push_back(key.id);
          return true;
        }));
    EXPECT_EQ(got, wanted) << window;
  }
}

TEST_F(RelocationTest, TheOperatorsLogIsNeverAnotherFile) {
  const auto directory = Directory::open_for_reading(files_, root_ / "from");
  ASSERT_TRUE(directory);
  write("other", "precious");
  for (const bool hard : {true, false}) {
    const fs::path name = root_ / "from" / ".operator-log";
    if (hard) {
      fs::create_hard_link(root_ / "other", name);
    } else {
      fs::create_symlink(root_ / "other", name);
    }
    OperatorLog log(files_, directory->messages());
    log.add("removed", {State::waiting, "id"});
    log.flush();
    EXPECT_NE(log.problem(), "");
    EXPECT_EQ(read("other"), "precious");
    fs::remove(name);
  }
}

TEST_F(RelocationTest, WhatAnOperatorDidIsTakenOnceAndInOrder) {
  const auto directory = Directory::open_for_reading(files_, root_ / "from");
  ASSERT_TRUE(directory);
  std::vector<std::string> got;
  OperatorLines lines(files_, directory->messages(), [&](const OperatorLines::Line& line) {
    EXPECT_FALSE(line.by.empty() || line.time.empty());
    got.push_back(line.action + " " + line.id + " " + line.state + " " + line.place);
  });
  EXPECT_FALSE(lines.take());
  constexpr int kMany = 500;  // more than a step
  {
    OperatorLog log(files_, directory->messages());
    for (int i = 0; i < kMany; ++i) log.add("removed", {State::dead, std::to_string(i)}, "p\n");
  }
  while (lines.take()) {
  }
  ASSERT_EQ(got.size(), static_cast<std::size_t>(kMany));
  EXPECT_EQ(got.front(), "removed 0 dead p\n");
  EXPECT_EQ(got.back(), "removed 499 dead p\n");
  EXPECT_FALSE(there("from/.operator-log") || there("from/.operator-log.taken"));
  OperatorLog(files_, directory->messages()).add("removed", {State::waiting, "again"});
  while (lines.take()) {
  }
  EXPECT_EQ(got.back(), "removed again waiting ");
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
