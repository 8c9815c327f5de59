// SPDX-License-Identifier: Apache-2.0
// The disk fails: what is stored stays so, what cannot be stored is refused.
#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

struct Case {
  const char* operation;
  int nth;  // from the moment that the message comes
  int error;
  bool named;    // the file system has no O_TMPFILE
  bool replace;  // there is an older copy
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.operation << one.nth << (one.named ? " named" : "")
       << (one.replace ? " replace" : "");
}

// Of the calls that make a file.
class EachOperation : public SpoolTest, public ::testing::WithParamInterface<Case> {};

TEST_P(EachOperation, FailingOnceDelaysTheFileAndLosesNothing) {
  const Case& one = GetParam();
  if (one.named) Faults::get().fail("open_unnamed", 0, EOPNOTSUPP);
  start();
  ASSERT_EQ(store(mail("first"), one.replace ? "same" : "other").kind, LSMTPD_STORED);
  const std::string before = one.replace ? read("same.json") : "";

  Faults::get().fail(one.operation, one.nth, one.error);
  EXPECT_EQ(store_only(mail("second"), "same").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  if (one.replace && std::string(one.operation) != "sync_directory") {
    EXPECT_EQ(read("same.json"), before);
  }
  EXPECT_STREQ(lsmtpd_test_mail_content(lsmtpd_test_load_copy(host_, "same")->mail), "second");
  EXPECT_EQ(store(mail("third"), "another").kind, LSMTPD_STORED) << "the next one is not concerned";
  EXPECT_NE(read("same.json").find("second"), std::string::npos);
  EXPECT_NE(read("another.json").find("third"), std::string::npos);
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  restart();
  settle();
  EXPECT_EQ(files().size(), one.replace ? 2u : 3u);
}

INSTANTIATE_TEST_SUITE_P(
    Spool, EachOperation,
    ::testing::Values(
        Case{"open_unnamed", 1, EMFILE, false, false},
        Case{"open_unnamed", 1, ENOSPC, false, false}, Case{"write", 1, ENOSPC, false, false},
        Case{"write", 1, EDQUOT, false, false}, Case{"write", 1, EIO, false, false},
        Case{"write", 1, EFBIG, false, false}, Case{"sync_data", 2, EIO, false, false},
        Case{"sync_data", 2, ENOSPC, false, false}, Case{"link_unnamed", 1, EIO, false, false},
        Case{"link_unnamed", 1, ENOSPC, false, false}, Case{"sync_directory", 1, EIO, false, false},
        Case{"sync_data", 2, EIO, false, true}, Case{"link_unnamed", 1, EIO, false, true},
        Case{"rename", 1, EIO, false, true}, Case{"sync_directory", 1, EIO, false, true},
        Case{"open_new", 1, EMFILE, true, false}, Case{"write", 1, ENOSPC, true, false},
        Case{"sync_data", 2, EIO, true, false}, Case{"rename", 1, EIO, true, false},
        Case{"sync_directory", 1, EIO, true, false}, Case{"rename", 1, EIO, true, true},
        Case{"sync_directory", 1, EIO, true, true}));

class FaultsTest : public SpoolTest {
 protected:
  // The journal has a segment.
  void start_warm() {
    start();
    ASSERT_EQ(store(mail(), "warm").kind, LSMTPD_STORED);
    Faults::get().reset();
  }
  // So many at once, and their files.
  std::size_t store_many(int count) {
    std::vector<lsmtpd_call> calls;
    for (int i = 0; i < count; ++i)
      calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
    std::size_t stored = 0;
    for (const lsmtpd_call call : calls)
      stored += lsmtpd_test_wait(host_, call)->kind == LSMTPD_STORED ? 1 : 0;
    return stored;
  }
};

TEST_F(FaultsTest, AFailedFlushOfTheJournalIsATempfailWithAnAlarm) {
  start_warm();
  Faults::get().fail("sync_data", 1, EIO);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(logged("the disk failed"));
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(FaultsTest, AFullJournalIsA452WithoutAnAlarm) {
  start_warm();
  Faults::get().fail("write_at", 1, ENOSPC);
  const auto& verdict = store(mail());
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(verdict.code, 452u);
  EXPECT_STREQ(verdict.enhanced, "4.3.1");
  EXPECT_FALSE(logged("the disk failed"));
}

// As XFS does it once it was shut down: fsync of the directory succeeds, and the name is gone.
TEST_F(FaultsTest, AFileSystemThatDiedBesideASuccessfulFsyncKeepsTheMessageInTheJournal) {
  start_warm();
  Faults::get().fail("info", 0, EIO);
  EXPECT_EQ(store_only(mail("kept"), "id").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  EXPECT_TRUE(logged("error=Input/output error")) << lsmtpd_test_log(host_);
  Faults::get().heal();
  settle();
  EXPECT_NE(read("id.json").find("kept"), std::string::npos);
}

TEST_F(FaultsTest, WithoutRoomForFilesMailIsRefusedUntilThereIsSome) {
  start_warm();
  Faults::get().fail("write", 0, ENOSPC);
  std::size_t stored = 0;
  wait_until([&] {
    const auto& verdict = store_only(mail());
    stored += verdict.kind == LSMTPD_STORED ? 1 : 0;
    return verdict.kind == LSMTPD_TEMPFAIL && verdict.code == 452u;
  });
  EXPECT_TRUE(logged("make room"));
  Faults::get().heal();
  settle();
  EXPECT_EQ(files().size(), stored + 1);
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
  EXPECT_EQ(files().size(), stored + 2);
}

TEST_F(FaultsTest, AMessageWhoseFileWouldBeTooLargeDoesNotHoldTheOthers) {
  start_warm();
  Faults::get().fail("write", 1, EFBIG);
  EXPECT_EQ(store_only(mail(), "large").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  Faults::get().fail("write", 2, EFBIG);  // again, beside another one
  EXPECT_EQ(store_only(mail(), "next").kind, LSMTPD_STORED);
  wait_until([this] { return !read("next.json").empty(); });
  settle();
  EXPECT_EQ(files().size(), 3u);
}

// It fails each message: the first three lines of a minute say so.
TEST_F(FaultsTest, ADiskThatFailsEachMessageHasFewLines) {
  start_warm();
  Faults::get().fail("write", 0, EIO);
  for (int i = 0; i < 20; ++i) store_only(mail());
  wait_until([] { return Faults::get().count("write") >= 20; });
  Faults::get().heal();
  settle();  // no thread logs any more
  const std::string log = lsmtpd_test_log(host_);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = log.find("a message has no file yet", at)) != std::string::npos;
       ++at)
    ++lines;
  EXPECT_EQ(lines, 3u) << log;
  EXPECT_TRUE(logged("what=cannot write error=Input/output error left_out=0")) << log;
}

TEST_F(FaultsTest, ADirectoryThatWasRemovedTakesNoMail) {
  start();
  fs::remove_all(directory_);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
}

TEST_F(FaultsTest, ShortWritesAreWrittenOn) {
  start_warm();  // a segment is filled with zeros, and that would be a long way in such steps
  Faults::get().short_writes(7);
  lsmtpd_test_mail* one = mail("0123456789\r\n");
  EXPECT_EQ(store(one).kind, LSMTPD_STORED);
  const std::string json = read(id_of(one) + ".json");
  EXPECT_TRUE(json.ends_with("\"email_content\":\"0123456789\\r\\n\"}")) << json;
}

TEST_F(FaultsTest, AWriteThatFailsHalfWayIsNeverSeen) {
  start_warm();
  Faults::get().short_writes(1000);
  Faults::get().fail("write", 3, ENOSPC);
  EXPECT_EQ(store_only(mail(std::string(5000, 'x')), "id").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  EXPECT_EQ(files(), std::vector<std::string>{"warm.json"});
  settle();
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(FaultsTest, AFlushOfAllThatFailsIsTriedAgainForAll) {
  start_warm();
  Faults::get().fail("sync_all", 1, EIO);
  EXPECT_EQ(store_many(100), 100u);
  settle();
  EXPECT_EQ(files().size(), 101u);
  EXPECT_GE(Faults::get().count("sync_all") + Faults::get().count("sync_data"), 2);
}

TEST_F(FaultsTest, ADirectoryThatCannotBeSyncedDelaysItsWholeBatch) {
  start_warm();
  Faults::get().fail("sync_directory", 0, EIO);
  const std::size_t stored = store_many(100);
  wait_until([this] { return logged("a message has no file yet"); });
  wait_until([this] { return files() == std::vector<std::string>{"warm.json"}; });
  Faults::get().heal();
  settle();
  EXPECT_EQ(files().size(), stored + 1);
}

TEST_F(FaultsTest, WhatHasNoFileAtAStopGetsItAtTheNextStart) {
  start_warm();
  Faults::get().fail("link_unnamed", 0, EIO);
  EXPECT_EQ(store_only(mail("kept"), "id").kind, LSMTPD_STORED);
  wait_until([this] { return logged("a message has no file yet"); });
  close_host();
  EXPECT_EQ(files(), std::vector<std::string>{"warm.json"});
  Faults::get().heal();
  open_host();
  start();
  settle();
  EXPECT_NE(read("id.json").find("kept"), std::string::npos);
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
