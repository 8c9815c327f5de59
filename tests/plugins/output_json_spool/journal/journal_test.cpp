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

TEST_F(JournalTest, ManyMessagesThatWaitShareOneFlush) {
  open();
  EXPECT_EQ(store("first", "x"), 0);
  const std::uint64_t before = journal_->flushes();
  std::vector<std::future<std::int64_t>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(begin("id-" + std::to_string(i), "text"));
  for (auto& answer : answers) EXPECT_EQ(answer.get(), 0);
  EXPECT_LE(journal_->flushes() - before, 100u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(read("id-" + std::to_string(i)), "text");
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

TEST_F(JournalTest, AMessageThatWaitsCanBeTakenBack) {
  open();
  EXPECT_EQ(journal_->take_if([](const Append&) { return true; }), nullptr);
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

TEST_F(JournalTest, ASegmentOfANewerVersionStopsTheStart) {
  open();
  EXPECT_EQ(store("one", "x"), 0);
  journal_.reset();
  std::string block(kBlock, '\0');
  write_segment_header({256 * 1024, 9, 9}, block.data());
  for (const std::uint32_t place : {0u, kHeaderCopy}) {
    block[place + 8] = 2;
    const std::uint32_t crc = crc32c(std::string_view(block).substr(place, 60));
    for (int i = 0; i < 4; ++i) block[place + 60 + i] = static_cast<char>(crc >> 8 * i);
  }
  overwrite(names(".segment").front(), 0, block);
  const auto opened = Journal::open(*files_, directory_, settings_, events_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("newer"), std::string::npos);
}

TEST_F(JournalTest, DamageIsToldOnceAndTheRestIsServed) {
  open();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(store("id-" + std::to_string(i), "text"), 0);
  const std::uint32_t position = find("id-2")->place.position;
  journal_.reset();
  overwrite(names(".segment").front(), position, std::string(kRecordHeader, 'x'));
  open();
  EXPECT_EQ(events_.damages(), std::vector<std::string>{std::to_string(position)});
  EXPECT_EQ(read("id-2"), "-");
  EXPECT_EQ(read("id-3"), "text");
  EXPECT_EQ(journal_->flush(), 0);
  reopen();
  EXPECT_EQ(events_.damages().size(), 1u);
}

TEST_F(JournalTest, ATornEndIsNoDamageAndIsNotServed) {
  open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(store("id-" + std::to_string(i), "text"), 0);
  const std::uint32_t position = find("id-2")->place.position;
  journal_.reset();
  overwrite(names(".segment").front(), position + kRecordHeader + 18, "TORN");
  open();
  EXPECT_TRUE(events_.damages().empty());
  EXPECT_EQ(read("id-2"), "-");
  EXPECT_EQ(read("id-1"), "text");
  reopen();
  EXPECT_TRUE(events_.damages().empty());
  EXPECT_EQ(read("id-2"), "-");
}

TEST_F(JournalTest, ARecordThatIsDamagedLaterIsPutAside) {
  open();
  EXPECT_EQ(store("one", "text"), 0);
  const Copy copy = *find("one");
  overwrite(names(".segment").front(), copy.place.position + kRecordHeader + 16, "ROT");
  EXPECT_EQ(read("one"), "?");
  journal_->quarantine(copy);
  EXPECT_EQ(events_.damages().size(), 1u);
  EXPECT_EQ(read("one"), "-");
}

TEST_F(JournalTest, ASegmentWithoutAHeaderIsPutAside) {
  open();
  EXPECT_EQ(store("one", "x"), 0);
  journal_.reset();
  overwrite(names(".segment").front(), 0, std::string(kBlock, 'x'));
  open();
  EXPECT_EQ(events_.segments().size(), 1u);
  EXPECT_EQ(names(".damaged").size(), 1u);
  EXPECT_EQ(store("two", "y"), 0);
}

TEST_F(JournalTest, ASegmentThatWasNotCompletedIsRemoved) {
  for (const char* name : {"0000000000000007.segment", "0000000000000008.new"})
    ASSERT_EQ(::close(::open((root_ / "journal" / name).c_str(), O_CREAT | O_WRONLY, 0600)), 0);
  open();
  EXPECT_TRUE(names(".segment").empty());
  EXPECT_TRUE(names(".new").empty());
  EXPECT_EQ(store("one", "x"), 0);
}

}  // namespace
}  // namespace lsmtpd::journal::testing
