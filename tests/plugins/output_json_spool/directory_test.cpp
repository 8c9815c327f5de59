// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "spool_fixture.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

using DirectoryTest = SpoolTest;

TEST_F(DirectoryTest, IsMadeWhereItIsMissingButNotItsParent) {
  start();
  EXPECT_TRUE(fs::is_directory(directory_));
  close_host();
  directory_ = root_ / "no" / "such";
  open_host();
  EXPECT_NE(start_error().find("its parent must exist"), std::string::npos);
}

TEST_F(DirectoryTest, ASecondDaemonIsRefusedWithThePidOfTheFirst) {
  start();
  lsmtpd_test* first = host_;
  open_host();
  EXPECT_NE(start_error().find("in use by another lsmtpd (pid " + std::to_string(::getpid())),
            std::string::npos);
  close_host();
  host_ = first;
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
}

TEST_F(DirectoryTest, TheLockIsGivenBack) {
  start();
  restart();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
}

TEST_F(DirectoryTest, OneThatEveryoneCanWriteToIsRefused) {
  fs::create_directory(directory_);
  ::chmod(directory_.c_str(), 0777);
  EXPECT_NE(start_error().find("chmod 700"), std::string::npos);
}

TEST_F(DirectoryTest, ASymbolicLinkIsNotFollowed) {
  fs::create_directory(root_ / "real");
  fs::create_directory_symlink(root_ / "real", directory_);
  EXPECT_NE(start_error().find("symbolic link"), std::string::npos);
}

TEST_F(DirectoryTest, AFileIsNoDirectory) {
  std::ofstream(directory_) << "x";
  EXPECT_NE(start_error().find("no directory"), std::string::npos);
}

TEST_F(DirectoryTest, OnlyTemporariesAreRemovedAtStart) {
  start();
  store(mail(), "kept");
  close_host();
  write("tmp/17", "half");
  write("tmp/x.reason", "half");
  write("broken.json", "");
  open_host();
  start();
  EXPECT_EQ(files("tmp"), std::vector<std::string>{});
  EXPECT_EQ(files(), (std::vector<std::string>{"broken.json", "kept.json"}));
}

TEST_F(DirectoryTest, CheckingTheOptionsMakesNothing) {
  give_options();
  ASSERT_EQ(lsmtpd_test_validate_options(host_), 0) << lsmtpd_test_errors(host_);
  EXPECT_FALSE(fs::exists(directory_));
}

// The start that made it may have ended before it was synced.
TEST_F(DirectoryTest, OneThatIsThereIsSyncedTooWithItsFoldersAndItsNameAbove) {
  start();
  close_host();
  open_host();
  Faults::get().reset();
  start();
  EXPECT_EQ(Faults::get().count("sync_directory"), 2);
}

TEST_F(DirectoryTest, EachStepOfTheStartThatFailsIsSaid) {
  for (const char* operation : {"open_directory", "make_directory", "make_directory_in",
                                "open_directory_in", "sync_directory", "list"}) {
    fs::remove_all(directory_);
    close_host();
    open_host();
    Faults::get().reset();
    // The first open says that it is not there; that one is no fault.
    Faults::get().fail(operation, std::string(operation) == "open_directory" ? 2 : 1, EIO);
    EXPECT_NE(start_error(), "") << operation;
  }
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
