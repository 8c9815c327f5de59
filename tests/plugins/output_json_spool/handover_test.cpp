// SPDX-License-Identifier: Apache-2.0
// A copy that goes from the journal to its file is found, removed and listed all the same.
#include <atomic>
#include <chrono>
#include <thread>

#include "all_stores.hpp"
#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

class HandoverTest : public SpoolTest {
 protected:
  void SetUp() override {
    SpoolTest::SetUp();
    start();
    ASSERT_EQ(store(mail(), "warm").kind, LSMTPD_STORED);
    EXPECT_EQ(forget("warm"), LSMTPD_STORED);
  }
  std::uint32_t forget(const char* id) { return lsmtpd_test_forget(host_, id)->kind; }
  int spool(const std::vector<const char*>& list) {
    return lsmtpd_test_command(host_, list.data(), static_cast<std::uint32_t>(list.size()));
  }
  // Files cannot be made until heal().
  void keep_in_journal(const char* id, const std::string& content = "in the journal") {
    Faults::get().fail("open_unnamed", 0, EIO);
    ASSERT_EQ(store_only(mail(content), id).kind, LSMTPD_STORED);
    wait_until([this] { return logged("a message has no file yet"); });
  }
  // Its file is about to get its name; it has it, and the journal has the copy still.
  static constexpr const char* kMoments[] = {"link_unnamed", "sync_directory"};

  // Stores it, stops at this moment, and goes on a while after `meanwhile` began.
  void stop_at(const char* operation, const char* id, const std::function<void()>& meanwhile) {
    std::atomic<bool> there{false}, go{false};
    Faults::get().before(operation, [&] {
      there = true;
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    ASSERT_EQ(store_only(mail(), id).kind, LSMTPD_STORED);
    wait_until([&] { return there.load(); });
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      go = true;
    });
    meanwhile();
    later.join();
    settle();
  }
  std::string listed(bool restart, std::uint32_t max) {
    return lsmtpd_test_list(host_, restart ? 1 : 0, max)->copy_ids;
  }
  std::string all_listed() {
    std::string all = listed(true, 100);
    return all;
  }
};

TEST_F(HandoverTest, ACopyThatIsForgottenWhileItGetsItsFileIsGone) {
  for (const char* moment : kMoments) {
    stop_at(moment, "id", [this] { EXPECT_EQ(forget("id"), LSMTPD_STORED); });
    EXPECT_EQ(files(), std::vector<std::string>{}) << moment;
  }
  restart();
  settle();
  EXPECT_EQ(all_listed(), "");
}

TEST_F(HandoverTest, TheToolRemovesACopyThatGetsItsFile) {
  for (const char* moment : kMoments) {
    stop_at(moment, "id", [this] { EXPECT_EQ(spool({"rm", "id"}), 0) << host_->terminal.data; });
    EXPECT_EQ(files(), std::vector<std::string>{}) << moment;
  }
  restart();
  settle();
  EXPECT_EQ(all_listed(), "");
}

TEST_F(HandoverTest, ACopyThatGetsItsFileIsCountedOnce) {
  for (const char* moment : kMoments) {
    stop_at(moment, "id",
            [&] { EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 1u) << moment; });
    EXPECT_EQ(forget("id"), LSMTPD_STORED);
  }
}

TEST_F(HandoverTest, ACopyThatBecomesADeadLetterWhileItGetsItsFileIsOnlyThat) {
  for (const char* moment : kMoments) {
    stop_at(moment, "id", [this] {
      EXPECT_EQ(lsmtpd_test_dead_letter(host_, "id", "refused")->kind, LSMTPD_STORED);
    });
    EXPECT_EQ(files(), std::vector<std::string>{}) << moment;
  }
  EXPECT_EQ(files("dead"), (std::vector<std::string>{"id.json", "id.reason"}));
  restart();
  settle();
  EXPECT_EQ(all_listed(), "");
}

TEST_F(HandoverTest, ACopyThatIsForgottenBeforeItHasAFileGetsNone) {
  keep_in_journal("id");
  EXPECT_EQ(forget("id"), LSMTPD_STORED);
  Faults::get().heal();
  settle();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(HandoverTest, ForgettingRemovesAnOlderFileToo) {
  for (const bool by_tool : {false, true}) {
    ASSERT_EQ(store(mail("older"), "id").kind, LSMTPD_STORED);
    keep_in_journal("id", "newer");
    if (by_tool) {
      EXPECT_EQ(spool({"rm", "id"}), 0);
    } else {
      EXPECT_EQ(forget("id"), LSMTPD_STORED);
    }
    Faults::get().heal();
    settle();
    EXPECT_EQ(files(), std::vector<std::string>{}) << by_tool;
  }
}

TEST_F(HandoverTest, ADeadLetterThatCannotHaveAFileIsInTheJournalAndGetsOneWhenItIsPutBack) {
  ASSERT_EQ(store(mail("older"), "id").kind, LSMTPD_STORED);
  keep_in_journal("id", "newer");
  EXPECT_EQ(lsmtpd_test_dead_letter(host_, "id", "refused")->kind, LSMTPD_STORED);
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(all_listed(), "");
  Faults::get().heal();
  settle();
  EXPECT_EQ(spool({"show", "id"}), 0);
  EXPECT_NE(std::string(host_->terminal.data).find("state: dead"), std::string::npos);
  EXPECT_EQ(spool({"retry", "id"}), 0);
  wait_until([this] { return files() == std::vector<std::string>{"id.json"}; });
  EXPECT_NE(read("id.json").find("newer"), std::string::npos);
}

// Listed are first the files, then the journal: it is in neither at that moment.
TEST_F(HandoverTest, ACopyThatGetsItsFileWhileReplayListsIsListed) {
  for (const char* id : {"a", "b", "c"}) store(mail(), id);
  keep_in_journal("moves");
  EXPECT_EQ(listed(true, 2), "a\nb\n");
  Faults::get().heal();
  settle();
  const std::string rest = listed(false, 100);
  EXPECT_TRUE(rest.starts_with("c\n")) << rest;
  EXPECT_NE(rest.find("moves\n"), std::string::npos) << rest;
  EXPECT_EQ(lsmtpd_test_list(host_, 0, 100)->end, 1u);
}

TEST_F(HandoverTest, WithoutAMoveEachCopyIsListedOnce) {
  for (const char* id : {"a", "b"}) store(mail(), id);
  keep_in_journal("c");
  EXPECT_EQ(all_listed(), "a\nb\nc\n");
  EXPECT_EQ(lsmtpd_test_count(host_, "broker", 100)->count, 3u);
  Faults::get().heal();
  settle();
  EXPECT_EQ(all_listed(), "a\nb\nc\n");
}

TEST_F(HandoverTest, ACopyThatGetsItsFileWhileTheToolListsIsListedOnce) {
  store(mail(), "file");
  keep_in_journal("moves");
  const auto disk = make_files();
  const auto directory = Directory::open_for_reading(*disk, directory_.string());
  ASSERT_TRUE(directory);
  const auto stores = AllStores::open(*disk, *directory, [](const char*, JournalEvents::Fields) {});
  ASSERT_TRUE(stores);
  std::string seen;
  const auto done =
      (*stores)->each({true, false, false}, Store::Order::oldest_first, [&](const CopyKey& key) {
        seen += key.id + "\n";
        if (key.id != "file") return true;
        Faults::get().heal();
        settle();
        restart();  // the journal has no segment after it
        return true;
      });
  EXPECT_TRUE(done);
  EXPECT_EQ(seen, "file\nmoves\n");
  const CopyKey moved{State::waiting, "moves"};
  EXPECT_TRUE((*stores)->has(moved));
  const auto entry = (*stores)->read(moved, Store::Detail::header);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->problem, "");
  std::string content;
  EXPECT_TRUE((*stores)->content(moved, [&](std::string_view piece) {
    content += piece;
    return true;
  }));
  EXPECT_EQ(content, "in the journal");
  EXPECT_EQ((*stores)->remove(moved), 0);
  EXPECT_EQ(files(), std::vector<std::string>{"file.json"});
}

TEST_F(HandoverTest, ACopyInBothPlacesIsShownOnceAndAsTheNewerOne) {
  store(mail("older"), "id");
  keep_in_journal("id", "newer");
  EXPECT_EQ(spool({"ls"}), 0);
  const std::string text = host_->terminal.data;
  EXPECT_EQ(text.find("id"), text.rfind("id ")) << text;
  EXPECT_STREQ(lsmtpd_test_mail_content(lsmtpd_test_load_copy(host_, "id")->mail), "newer");
  Faults::get().heal();
  settle();
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
