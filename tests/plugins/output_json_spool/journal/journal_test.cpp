// SPDX-License-Identifier: Apache-2.0
#include "journal_fixture.hpp"

namespace lsmtpd::journal::testing {
namespace {

TEST_F(JournalTest, AMessageIsThereAndAfterARestartToo) {
  open();
  EXPECT_EQ(store("one", "first"), 0);
  EXPECT_EQ(read("one"), "first");
  EXPECT_EQ(read("two"), "-");
  reopen();
  EXPECT_EQ(read("one"), "first");
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
  EXPECT_TRUE(events_.failures().empty());
  EXPECT_TRUE(events_.damages().empty());
}

TEST_F(JournalTest, BytesComeBackAsTheyWere) {
  open();
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(store("all", all), 0);
  EXPECT_EQ(store("none", ""), 0);
  reopen();
  EXPECT_EQ(read("all"), all);
  EXPECT_EQ(read("none"), "");
}

TEST_F(JournalTest, ACopyThatIsStoredAgainReplacesTheOlderAndKeepsItsTime) {
  open();
  EXPECT_EQ(store("one", "first"), 0);
  const std::int64_t time = find("one")->time_ns;
  EXPECT_EQ(store("one", "second"), 0);
  EXPECT_EQ(read("one"), "second");
  EXPECT_EQ(find("one")->time_ns, time);
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
  reopen();
  EXPECT_EQ(read("one"), "second");
  EXPECT_EQ(find("one")->time_ns, time);
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
}

TEST_F(JournalTest, TwoCopiesOfAnIdInOneGroupAreOneAndTheLaterStays) {
  open();
  std::vector<std::future<std::int64_t>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(begin("same", std::to_string(i)));
  for (auto& answer : answers) EXPECT_EQ(answer.get(), 0);
  EXPECT_EQ(read("same"), "49");
  reopen();
  EXPECT_EQ(read("same"), "49");
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
}

TEST_F(JournalTest, RemovedIsRemovedAfterARestartToo) {
  open();
  for (const char* id : {"one", "two"}) EXPECT_EQ(store(id, "x"), 0);
  EXPECT_EQ(remove("one"), 0);
  EXPECT_EQ(remove("one"), -ENOENT);
  EXPECT_EQ(read("one"), "-");
  reopen();
  EXPECT_EQ(read("one"), "-");
  EXPECT_EQ(read("two"), "x");
}

// Keeps the writer busy until the test lets it go on.
class HeldMessage : public TestMessage {
 public:
  HeldMessage(const Journal& journal, std::promise<std::int64_t> answer,
              std::shared_future<void> go)
      : TestMessage(journal, "held", "text", std::move(answer)), go_(std::move(go)) {}
  bool content(const Sink& sink) override {
    begun.set_value();
    go_.wait();
    return TestMessage::content(sink);
  }
  std::promise<void> begun;

 private:
  std::shared_future<void> go_;
};

class HeldJournalTest : public JournalTest {
 protected:
  // The writer is in the midst of a group when this returns.
  void hold() {
    open();
    EXPECT_EQ(store("first", "x"), 0);
    std::promise<std::int64_t> answer;
    held_ = answer.get_future();
    auto message =
        std::make_unique<HeldMessage>(*journal_, std::move(answer), go_.get_future().share());
    auto begun = message->begun.get_future();
    std::unique_ptr<MessageAppend> append = std::move(message);
    EXPECT_TRUE(journal_->submit(append));
    begun.wait();
  }
  void go() {
    go_.set_value();
    EXPECT_EQ(held_.get(), 0);
  }

 private:
  std::promise<void> go_;
  std::future<std::int64_t> held_;
};

TEST_F(HeldJournalTest, AllMessagesThatWaitShareOneFlush) {
  hold();
  const std::uint64_t before = journal_->flushes();
  std::vector<std::future<std::int64_t>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(begin("id-" + std::to_string(i), "text"));
  go();
  for (auto& answer : answers) EXPECT_EQ(answer.get(), 0);
  EXPECT_EQ(journal_->flushes() - before, 2u);  // of the held one, and of all others
  for (int i = 0; i < 200; ++i) EXPECT_EQ(read("id-" + std::to_string(i)), "text");
}

TEST_F(HeldJournalTest, AMessageThatIsNotBegunCanBeTakenBack) {
  hold();
  auto kept = begin("kept", "x");
  auto back = begin("back", "x");
  const Key key = journal_->copies().key_of("back", false);
  const auto taken = journal_->take_if(
      [&](const Append& append) { return append.key() != nullptr && *append.key() == key; });
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(journal_->take_if([](const Append& append) { return append.key() == nullptr; }),
            nullptr);
  go();
  EXPECT_EQ(kept.get(), 0);
  EXPECT_EQ(read("back"), "-");
  taken->answer(-ECANCELED);
  EXPECT_EQ(back.get(), -ECANCELED);
}

TEST_F(JournalTest, AnAnswerComesAfterTheFlush) {
  open();
  EXPECT_EQ(store("first", "x"), 0);
  Faults::get().reset();
  EXPECT_EQ(store("second", "x"), 0);
  const auto calls = Faults::get().calls();
  const auto write = std::find(calls.begin(), calls.end(), "write_at");
  ASSERT_NE(write, calls.end());
  EXPECT_NE(std::find(write, calls.end(), "sync_data"), calls.end());
}

TEST_F(JournalTest, SegmentsFollowEachOther) {
  open();
  const std::string text(20'000, 'x');
  for (int i = 0; i < 50; ++i) EXPECT_EQ(store("id-" + std::to_string(i), text), 0);
  EXPECT_GE(names(".segment").size(), 4u);
  reopen();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(read("id-" + std::to_string(i)), text);
}

TEST_F(JournalTest, LargeContentHasAFileThatGoesWithItsMessage) {
  settings_.segment_size = 1024 * 1024;
  open();
  const std::string text(kInlineMax + 1, 'y');
  EXPECT_EQ(store("big", text), 0);
  EXPECT_EQ(names(".body").size(), 1u);
  EXPECT_EQ(read("big"), text);
  reopen();
  EXPECT_EQ(read("big"), text);
  EXPECT_EQ(store("big", text + "z"), 0);
  EXPECT_EQ(journal_->flush(), 0);
  EXPECT_EQ(read("big"), text + "z");
  wait_until([this] { return names(".body").size() == 1; });
  EXPECT_EQ(remove("big"), 0);
  EXPECT_EQ(journal_->flush(), 0);
  wait_until([this] { return names(".body").empty(); });
}

TEST_F(JournalTest, AContentFileWithoutARecordGoesAtTheNextStart) {
  open();
  EXPECT_EQ(store("big", std::string(kInlineMax + 1, 'y')), 0);
  journal_.reset();
  overwrite(names(".segment").front(), kFirst, std::string(kRecordHeader, 'x'));
  open();
  EXPECT_EQ(read("big"), "-");
  EXPECT_TRUE(names(".body").empty());
}

TEST_F(JournalTest, ADeadLetterIsApartAndKeepsItsContent) {
  open();
  const std::string large(kInlineMax + 1, 'y');
  EXPECT_EQ(store("one", "text"), 0);
  EXPECT_EQ(store("big", large), 0);
  for (const char* id : {"one", "big"}) {
    const auto copy = find(id);
    StoredRecord record;
    std::int64_t error = 0;
    ASSERT_EQ(journal_->copies().read(*copy, record, error), RecordReader::Found::yes);
    EXPECT_EQ(journal_->change(*copy, record, true, record.meta), 0);
    EXPECT_EQ(journal_->change(*copy, record, true, record.meta), -ENOENT) << "of another place";
  }
  EXPECT_EQ(journal_->copies().totals().dead, 2u);
  EXPECT_EQ(journal_->copies().totals().waiting, 0u);
  EXPECT_EQ(journal_->flush(), 0);
  reopen();
  EXPECT_TRUE(find("one")->dead);
  EXPECT_EQ(journal_->copies().totals().waiting, 0u);
  EXPECT_EQ(read("one"), "text");
  EXPECT_EQ(read("big"), large);
}

TEST_F(JournalTest, AMessageStoredAgainLeavesTheDeadLetterOfItsId) {
  open();
  EXPECT_EQ(store("one", "dead"), 0);
  StoredRecord record;
  std::int64_t error = 0;
  const Copy copy = *find("one");
  ASSERT_EQ(journal_->copies().read(copy, record, error), RecordReader::Found::yes);
  EXPECT_EQ(journal_->change(copy, record, true, record.meta), 0);
  EXPECT_EQ(store("one", "new"), 0);
  reopen();
  EXPECT_EQ(journal_->copies().totals().dead, 1u);
  EXPECT_EQ(journal_->copies().totals().waiting, 1u);
  EXPECT_EQ(read("one"), "new");
}

TEST_F(JournalTest, CopiesComeInAnyOrderAndInSteps) {
  open();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store("id-" + std::to_string(i), "x"), 0);
  const auto before = [](const Copy& a, const Copy& b) {
    return std::tie(a.time_ns, a.place.position) < std::tie(b.time_ns, b.place.position);
  };
  std::optional<Copy> last;
  std::size_t count = 0;
  for (;;) {
    const auto next = journal_->copies().next(
        before, [&](const Copy& copy) { return !last || before(*last, copy); }, 7);
    EXPECT_TRUE(std::is_sorted(next.begin(), next.end(), before));
    count += next.size();
    if (next.size() < 7) break;
    last = next.back();
  }
  EXPECT_EQ(count, 100u);
}

}  // namespace
}  // namespace lsmtpd::journal::testing
