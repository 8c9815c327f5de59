// SPDX-License-Identifier: Apache-2.0
// Files are made behind the journal.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "filer_queue.hpp"
#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

using FilerTest = SpoolTest;

TEST_F(FilerTest, ManyMessagesGetTheirFilesAndTheJournalIsEmptyThen) {
  start();
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 500; ++i)
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(std::to_string(i)), nullptr, nullptr, 0));
  for (const lsmtpd_call call : calls)
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  settle();
  EXPECT_EQ(files().size(), 500u);
  close_host();
  EXPECT_EQ(files().size(), 500u);
  EXPECT_TRUE(fs::is_empty(directory_ / "journal"));
}

TEST_F(FilerTest, AFileHasWhatTheJournalHasNot) {
  option("extra", "false");
  start();
  const std::string content("Subject: x\r\n\r\ncaf\xE9 \0 \"q\"\r\n", 26);
  lsmtpd_test_mail* one = mail(content);
  one->envelope.parameters = lsmtpd_test_str("BODY=8BITMIME");
  lsmtpd_test_mail_annotate(one, "headers.note", "kept");
  store(one);
  const std::string json = read(id_of(one) + ".json");
  EXPECT_EQ(json.find("lsmtpd\":"), std::string::npos) << json;
  EXPECT_EQ(json.find("content_id"), std::string::npos) << json;
  EXPECT_NE(json.find("email_content_base64"), std::string::npos) << json;
  store(mail(content), "id", "broker");
  const auto& loaded = *lsmtpd_test_load_copy(host_, "id");
  ASSERT_EQ(loaded.kind, LSMTPD_CONTINUE);
  EXPECT_EQ(std::string(loaded.mail->content.data, loaded.mail->content.size), content);
}

// A crash after the files had their names, and before the removals were durable.
TEST_F(FilerTest, AfterACrashFilesAreMadeAgainAndNoneTwice) {
  start();
  store(mail("one"), "one");
  Faults::get().fail("open_unnamed", 0, EIO);
  ASSERT_EQ(store_only(mail("two"), "two").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  fs::create_directory(root_ / "before");
  fs::copy(directory_ / "journal", root_ / "before/journal");
  Faults::get().heal();
  settle();
  close_host();
  const std::string made = read("two.json");
  for (const bool removed : {false, true}) {
    if (removed) fs::remove(directory_ / "two.json");  // by a reader, within that time
    fs::remove_all(directory_ / "journal");
    fs::copy(root_ / "before/journal", directory_ / "journal");
    open_host();
    start();
    settle();
    EXPECT_EQ(files(), (std::vector<std::string>{"one.json", "two.json"}));
    EXPECT_EQ(read("two.json"), made) << "the same content under the same name";
    close_host();
  }
  open_host();
}

TEST_F(FilerTest, AReaderThatRemovesFilesAtOnceSeesEachMessageOnce) {
  start();
  store(mail(), "warm");
  std::atomic<bool> ended{false};
  std::multiset<std::string> seen;
  std::thread reader([&] {
    while (true) {
      const bool last = ended;
      for (const std::string& name : files()) {
        if (fs::remove(directory_ / name)) seen.insert(name);
      }
      if (last) return;
    }
  });
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 600; ++i)
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  for (const lsmtpd_call call : calls)
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  settle();
  ended = true;
  reader.join();
  EXPECT_EQ(seen.size(), 601u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 601u);
  restart();
  settle();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(FilerTest, LargeContentIsWrittenAgainIntoItsFile) {
  start();
  const std::string text(700'000, 'x');
  store(mail(text), "big");
  EXPECT_NE(read("big.json").find(text), std::string::npos);
  close_host();
  EXPECT_TRUE(fs::is_empty(directory_ / "journal"));
  open_host();
}

TEST_F(FilerTest, ADamagedMessageGoesToQuarantineAndTheOthersGetTheirFiles) {
  start();
  Faults::get().fail("open_unnamed", 0, EIO);
  store_only(mail("Subject: damaged"), "bad");
  store_only(mail("good"), "good");
  wait_until([this] { return logged("a message has no file yet"); });
  for (const auto& entry : fs::directory_iterator(directory_ / "journal")) {
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t at = bytes.find("Subject: damaged");
    if (at == std::string::npos) continue;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file << "ROTTEN";
  }
  Faults::get().heal();
  settle();
  EXPECT_EQ(files(), std::vector<std::string>{"good.json"});
  EXPECT_EQ(files("quarantine").size(), 1u);
  EXPECT_TRUE(logged("checksum"));
}

TEST_F(FilerTest, WhereFilesAreFarBehindNewMessagesWaitAndAreCounted) {
  start();
  store(mail(), "warm");
  std::atomic<bool> go{false};
  Faults::get().before("link_unnamed", [&] {
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  ASSERT_EQ(store_only(mail(), "stuck").kind, LSMTPD_STORED);
  std::vector<lsmtpd_call> calls;
  wait_until([&] {
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
    return lsmtpd_test_metric(host_, "spool_delayed_total") >= 2;
  });
  EXPECT_EQ(lsmtpd_test_answer(host_, calls.back()), nullptr);
  wait_until([&] { return lsmtpd_test_metric(host_, "spool_behind_seconds") >= 1; });
  // One that waits can be taken back.
  lsmtpd_test_cancel(host_, calls.back());
  EXPECT_EQ(lsmtpd_test_wait(host_, calls.back())->kind, LSMTPD_TEMPFAIL);
  calls.pop_back();
  go = true;
  for (const lsmtpd_call call : calls)
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_STORED);
  settle();
  EXPECT_EQ(files().size(), calls.size() + 2);
}

TEST(FilerQueueTest, NewMessagesWaitWhereThoseBeforeThemTakeTooLong) {
  FilerQueue queue;
  for (std::uint64_t i = 0; i < 64 * FilerQueue::kBatch; ++i) queue.add({i, i});
  EXPECT_FALSE(queue.is_full()) << "nothing is known of the disk";
  FilerQueue::Batch batch;
  ASSERT_TRUE(queue.take(batch));
  std::this_thread::sleep_for(FilerQueue::kBehind / 20);
  queue.finished();
  EXPECT_LT(queue.behind(), FilerQueue::kBehind);
  EXPECT_TRUE(queue.is_full()) << "64 batches take more than a second";
  while (queue.is_full()) {
    ASSERT_TRUE(queue.take(batch));
    queue.finished();
  }
}

TEST(FilerQueueTest, OneThatFailsByItselfDelaysNothing) {
  FilerQueue queue;
  FilerQueue::Batch batch;
  queue.add({1, 1});
  ASSERT_TRUE(queue.take(batch));
  for (std::size_t i = 0; i < FilerQueue::kFailures; ++i) queue.failed(batch[0], -EFBIG, true);
  queue.finished();
  EXPECT_EQ(queue.refuses(), 0);
  EXPECT_FALSE(queue.is_full());
  EXPECT_FALSE(queue.is_idle());
  queue.add({2, 2});
  ASSERT_TRUE(queue.take(batch));
  EXPECT_EQ(batch[0].key.first, 2u);
}

TEST(FilerQueueTest, WhereEachMessageFailsNewOnesAreRefusedUntilOneSucceeds) {
  FilerQueue queue;
  FilerQueue::Batch batch;
  for (std::uint64_t i = 1; i <= FilerQueue::kFailures; ++i) queue.add({i, i});
  ASSERT_TRUE(queue.take(batch));
  for (const auto& one : batch) queue.failed(one, -ENOSPC, false);
  queue.finished();
  const auto end = FilerQueue::Clock::now() + std::chrono::seconds(20);
  while (queue.refuses() == 0 && FilerQueue::Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(queue.refuses(), -ENOSPC);
  ASSERT_TRUE(queue.take(batch)) << "they are tried again";
  queue.succeeded();
  EXPECT_EQ(queue.refuses(), 0);
}

TEST(FilerQueueTest, AStopTakesWhatIsLeftUntilItsTimeIsOver) {
  FilerQueue queue;
  FilerQueue::Batch batch;
  queue.add({1, 1});
  queue.stop(FilerQueue::Clock::now() + std::chrono::minutes(1));
  EXPECT_TRUE(queue.take(batch));
  queue.finished();
  EXPECT_FALSE(queue.take(batch));
  queue.add({2, 2});
  queue.stop(FilerQueue::Clock::now());
  EXPECT_FALSE(queue.take(batch));
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
