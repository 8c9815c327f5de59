// SPDX-License-Identifier: Apache-2.0
#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

struct Case {
  const char* operation;
  int error;
  bool named;    // the file system has no O_TMPFILE
  bool replace;  // there is an older copy
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.operation << (one.named ? " named" : "") << (one.replace ? " replace" : "");
}

class EachOperation : public SpoolTest, public ::testing::WithParamInterface<Case> {};

TEST_P(EachOperation, FailingOnceIsNeverStoredLeavesNothingAndTheNextMessageWorks) {
  const Case& one = GetParam();
  option("commit_threads", "1");
  if (one.named) Faults::get().fail("open_unnamed", 0, EOPNOTSUPP);
  start();
  if (one.replace) {
    ASSERT_EQ(store(mail("first"), "same").kind, LSMTPD_STORED);
  }
  const std::string before = one.replace ? read("same.json") : "";

  Faults::get().fail(one.operation, 1, one.error);
  const auto& verdict = store(mail("second"), "same");
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_STRNE(verdict.detail, "");
  const bool full = one.error == ENOSPC || one.error == EDQUOT;
  EXPECT_EQ(verdict.code, full ? 452u : 0u);
  EXPECT_STREQ(verdict.enhanced, full ? "4.3.1" : "");
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  if (!one.replace) {
    EXPECT_EQ(files(), std::vector<std::string>{});
  } else if (std::string(one.operation) != "sync_directory") {
    EXPECT_EQ(read("same.json"), before);
  } else {
    EXPECT_EQ(files(), std::vector<std::string>{"same.json"});
  }

  Faults::get().heal();
  if (one.named) Faults::get().fail("open_unnamed", 0, EOPNOTSUPP);
  EXPECT_EQ(store(mail("third"), "same").kind, LSMTPD_STORED);
  EXPECT_NE(read("same.json").find("third"), std::string::npos);
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(
    Spool, EachOperation,
    ::testing::Values(
        Case{"open_unnamed", EMFILE, false, false}, Case{"open_unnamed", ENOSPC, false, false},
        Case{"write", ENOSPC, false, false}, Case{"write", EDQUOT, false, false},
        Case{"write", EIO, false, false}, Case{"write", EFBIG, false, false},
        Case{"sync_data", EIO, false, false}, Case{"sync_data", ENOSPC, false, false},
        Case{"link_unnamed", EIO, false, false}, Case{"link_unnamed", ENOSPC, false, false},
        Case{"sync_directory", EIO, false, false}, Case{"sync_data", EIO, false, true},
        Case{"link_unnamed", EIO, false, true}, Case{"rename", EIO, false, true},
        Case{"sync_directory", EIO, false, true}, Case{"open_new", EMFILE, true, false},
        Case{"write", ENOSPC, true, false}, Case{"sync_data", EIO, true, false},
        Case{"rename", EIO, true, false}, Case{"sync_directory", EIO, true, false},
        Case{"rename", EIO, true, true}, Case{"sync_directory", EIO, true, true}));

using FaultsTest = SpoolTest;

TEST_F(FaultsTest, AFailedFsyncIsNotTriedAgainAndRaisesAnAlarm) {
  start();
  Faults::get().reset();
  Faults::get().fail("sync_data", 1, EIO);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(Faults::get().count("sync_data"), 1);
  EXPECT_TRUE(logged("the disk failed"));
  EXPECT_EQ(Faults::get().count("link_unnamed"), 0);
}

TEST_F(FaultsTest, AnErrorOfTheDiskRaisesAnAlarmWhateverFailed) {
  start();
  for (const char* operation : {"open_unnamed", "write", "link_unnamed"}) {
    Faults::get().reset();
    Faults::get().fail(operation, 1, EIO);
    EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL) << operation;
    EXPECT_TRUE(logged("the disk failed")) << operation;
    restart();
  }
}

// As XFS does it once it was shut down: fsync of the directory succeeds, and the name is gone.
TEST_F(FaultsTest, AFileSystemThatDiedBesideASuccessfulFsyncIsNeverStored) {
  start();
  Faults::get().reset();
  Faults::get().fail("info", 0, EIO);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  EXPECT_GE(Faults::get().count("sync_directory"), 1);
  EXPECT_TRUE(logged("the disk failed"));
}

// It fails each message: the first three lines of a minute say so.
TEST_F(FaultsTest, ADiskThatFailsEachMessageHasFewLines) {
  start();
  Faults::get().fail("sync_data", 0, EIO);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  const std::string log = lsmtpd_test_log(host_);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = log.find("the disk failed", at)) != std::string::npos; ++at)
    ++lines;
  EXPECT_EQ(lines, 3u) << log;
  EXPECT_TRUE(logged("what=cannot fsync the file error=Input/output error left_out=0")) << log;
}

TEST_F(FaultsTest, LackOfRoomRaisesNoAlarm) {
  start();
  Faults::get().reset();
  Faults::get().fail("link_unnamed", 1, ENOSPC);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(logged("the disk failed"));
}

TEST_F(FaultsTest, ADirectoryThatWasRemovedRaisesAnAlarm) {
  start();
  fs::remove_all(directory_);
  EXPECT_EQ(store(mail()).kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(logged("check the disk and the directory"));
}

// Three faults at once, and the file is the only one of an acknowledged message.
TEST_F(FaultsTest, AnOlderCopyThatCannotBeLookedAtIsNotTakenForNone) {
  Faults::get().fail("open_unnamed", 0, EOPNOTSUPP);
  start();
  ASSERT_EQ(store(mail("first"), "same").kind, LSMTPD_STORED);
  Faults::get().fail("info_in", 1, EIO);
  Faults::get().fail("sync_directory", 1, EIO);
  EXPECT_EQ(store(mail("second"), "same").kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(files(), std::vector<std::string>{"same.json"});
}

TEST_F(FaultsTest, FailedHintIsIgnored) {
  option("commit_threads", "1");
  start();
  Faults::get().fail("start_writeback", 0, EIO);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
}

TEST_F(FaultsTest, ShortWritesAreWrittenOn) {
  start();
  Faults::get().short_writes(7);
  lsmtpd_test_mail* one = mail("0123456789\r\n");
  EXPECT_EQ(store(one).kind, LSMTPD_STORED);
  const std::string json = read(id_of(one) + ".json");
  EXPECT_TRUE(json.ends_with("\"email_content\":\"0123456789\\r\\n\"}")) << json;
}

TEST_F(FaultsTest, AWriteThatFailsHalfWayLeavesNothing) {
  start();
  Faults::get().short_writes(100);
  Faults::get().fail("write", 3, ENOSPC);
  EXPECT_EQ(store(mail(std::string(5000, 'x'))).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(FaultsTest, BadMessageInAGroupLeavesTheOthersUntouched) {
  option("commit_threads", "1");
  start();
  Faults::get().fail("sync_data", 20, EIO);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  }
  int later = 0;
  for (const lsmtpd_call call : calls) {
    later += lsmtpd_test_wait(host_, call)->kind == LSMTPD_TEMPFAIL ? 1 : 0;
  }
  EXPECT_EQ(later, 1);
  EXPECT_EQ(files().size(), 99u);
}

TEST_F(FaultsTest, ADirectoryThatCannotBeSyncedFailsItsWholeGroup) {
  option("commit_threads", "1");
  start();
  Faults::get().fail("sync_directory", 0, EIO);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(lsmtpd_test_ask_deliver(host_, mail(), nullptr, nullptr, 0));
  }
  for (const lsmtpd_call call : calls) {
    EXPECT_EQ(lsmtpd_test_wait(host_, call)->kind, LSMTPD_TEMPFAIL);
  }
  EXPECT_EQ(files(), std::vector<std::string>{});
  Faults::get().heal();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
