// SPDX-License-Identifier: Apache-2.0
#include "journal_fixture.hpp"

namespace lsmtpd::journal::testing {
namespace {

struct Case {
  const char* operation;
  int error;
  bool large;  // the content has a file of its own
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.operation << " " << one.error << (one.large ? " large" : "");
}

class EachJournalOperation : public JournalTest, public ::testing::WithParamInterface<Case> {};

TEST_P(EachJournalOperation, FailingOnceRefusesTheMessageAndTheNextIsStored) {
  const Case& one = GetParam();
  settings_.segment_size = 1024 * 1024;
  open();
  EXPECT_EQ(store("before", "kept"), 0);
  if (std::string(one.operation).starts_with("open")) reopen();  // it begins a segment
  const std::string text(one.large ? kInlineMax + 1 : 100, 'x');
  Faults::get().fail(one.operation, 1, one.error);
  EXPECT_EQ(store("failed", text), -one.error);
  Faults::get().heal();
  EXPECT_EQ(read("failed"), "-");
  EXPECT_FALSE(events_.failures().empty());
  EXPECT_EQ(store("after", text), 0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read("before"), "kept");
    EXPECT_EQ(read("failed"), "-") << "the mark that seals its group was flushed with the next one";
    EXPECT_EQ(read("after"), text);
    reopen();
  }
  EXPECT_EQ(names(".body").size(), one.large ? 1u : 0u);
  EXPECT_TRUE(events_.damages().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Journal, EachJournalOperation,
    ::testing::Values(Case{"write_at", EIO, false}, Case{"write_at", ENOSPC, false},
                      Case{"sync_data", EIO, false}, Case{"sync_data", ENOSPC, false},
                      Case{"open_to_change", EMFILE, false}, Case{"open_new", EMFILE, true},
                      Case{"write_at", ENOSPC, true}, Case{"sync_data", EIO, true},
                      Case{"sync_directory", EIO, true}));

using JournalFaultsTest = JournalTest;

TEST_F(JournalFaultsTest, AFailedFlushIsNotTriedAgain) {
  open();
  EXPECT_EQ(store("before", "x"), 0);
  Faults::get().fail("sync_data", 1, EIO);
  EXPECT_EQ(store("failed", "x"), -EIO);
  EXPECT_EQ(Faults::get().count("sync_data"), 1);
  EXPECT_EQ(events_.failures(), std::vector<std::string>{"cannot fsync the segment"});
}

TEST_F(JournalFaultsTest, AllMessagesOfAGroupThatFailsAreRefused) {
  open();
  EXPECT_EQ(store("before", "x"), 0);
  Faults::get().fail("sync_data", 0, EIO);
  std::vector<std::future<std::int64_t>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(begin("id-" + std::to_string(i), "x"));
  for (auto& answer : answers) EXPECT_EQ(answer.get(), -EIO);
  Faults::get().heal();
  EXPECT_EQ(store("after", "x"), 0);
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, 2u);
}

TEST_F(JournalFaultsTest, ShortWritesAreWrittenOn) {
  open();
  EXPECT_EQ(store("before", "x"), 0);
  Faults::get().short_writes(7);
  EXPECT_EQ(store("one", "0123456789"), 0);
  Faults::get().reset();
  reopen();
  EXPECT_EQ(read("one"), "0123456789");
}

TEST_F(JournalFaultsTest, AWriteThatFailsHalfWayIsNotServed) {
  open();
  EXPECT_EQ(store("before", "x"), 0);
  Faults::get().short_writes(500);
  Faults::get().fail("write_at", 3, ENOSPC);
  EXPECT_EQ(store("half", std::string(5000, 'x')), -ENOSPC);
  Faults::get().reset();
  reopen();
  EXPECT_EQ(read("half"), "-");
  EXPECT_EQ(read("before"), "x");
}

TEST_F(JournalFaultsTest, ADiskWithoutRoomRefusesAndLosesNothing) {
  open();
  const std::string text(20'000, 'x');
  EXPECT_EQ(store("id-0", text), 0);
  Faults::get().fail("open_new", 0, ENOSPC);  // there is no further segment
  int stored = 1;
  while (store("id-" + std::to_string(stored), text) == 0) ++stored;
  EXPECT_GE(stored, 5);
  EXPECT_LE(stored, 26);
  for (int i = 0; i < stored; ++i) EXPECT_EQ(read("id-" + std::to_string(i)), text);
  EXPECT_EQ(remove("id-0"), 0) << "the rest of the segment is for removals";
  Faults::get().heal();
  EXPECT_EQ(store("next", text), 0);
  reopen();
  EXPECT_EQ(journal_->copies().totals().waiting, static_cast<std::uint64_t>(stored));
}

TEST_F(JournalFaultsTest, ContentThatCannotBeReadConcernsItsMessageOnly) {
  open();
  EXPECT_EQ(store("before", "x"), 0);
  std::promise<std::int64_t> promise;
  auto answer = promise.get_future();
  auto broken = std::make_unique<TestMessage>(*journal_, "broken", "text", std::move(promise));
  broken->break_content();
  std::unique_ptr<MessageAppend> message = std::move(broken);
  ASSERT_TRUE(journal_->submit(message));
  auto good = begin("good", "text");
  EXPECT_EQ(answer.get(), -EIO);
  EXPECT_EQ(good.get(), 0);
  EXPECT_EQ(read("broken"), "-");
  EXPECT_EQ(read("good"), "text");
}

TEST_F(JournalFaultsTest, ARecordLargerThanASegmentIsRefusedAlone) {
  settings_.segment_size = kSegmentMin;
  open();
  EXPECT_EQ(store("large", std::string(kSegmentMin, 'x')), -EFBIG);
  EXPECT_EQ(store("small", "x"), 0);
}

TEST_F(JournalFaultsTest, ADiskThatCannotBeReadIsToldApartFromDamage) {
  open();
  EXPECT_EQ(store("one", "text"), 0);
  StoredRecord record;
  std::int64_t error = 0;
  for (const char* operation : {"open_existing", "read_at"}) {
    Faults::get().fail(operation, 1, EIO);
    EXPECT_EQ(journal_->copies().read(*find("one"), record, error),
              RecordReader::Found::unreadable);
    EXPECT_EQ(error, -EIO);
  }
  Faults::get().heal();
  EXPECT_EQ(read("one"), "text");
}

// What cannot be read at a start may be mail: its segment is not used again.
TEST_F(JournalFaultsTest, ASegmentThatCannotBeReadAtAStartStaysAsItIs) {
  open();
  EXPECT_EQ(store("one", "text"), 0);
  journal_.reset();
  Faults::get().fail("read_at", 2, EIO);  // behind the header
  open();
  EXPECT_EQ(events_.segments().size(), 1u);
  EXPECT_EQ(store("two", "x"), 0);
  Faults::get().heal();
  reopen();
  EXPECT_EQ(read("one"), "text");
  EXPECT_EQ(read("two"), "x");
}

}  // namespace
}  // namespace lsmtpd::journal::testing
