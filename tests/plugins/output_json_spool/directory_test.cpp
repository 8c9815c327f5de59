// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "path_check.hpp"

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

TEST_F(DirectoryTest, ClosingReleasesTheLock) {
  start();
  restart();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
}

TEST_F(DirectoryTest, WorldWritableDirectoryIsRefused) {
  fs::create_directory(directory_);
  ::chmod(directory_.c_str(), 0777);
  EXPECT_NE(start_error().find("chmod 700"), std::string::npos);
}

TEST_F(DirectoryTest, ASymbolicLinkIsNotFollowed) {
  fs::create_directory(root_ / "real");
  fs::create_directory_symlink(root_ / "real", directory_);
  EXPECT_NE(start_error().find("symbolic link"), std::string::npos);
}

TEST_F(DirectoryTest, ASymbolicLinkIsNotFollowedWhereThePathEndsInASlash) {
  fs::create_directory(root_ / "real");
  fs::create_directory_symlink(root_ / "real", directory_);
  option("directory", directory_.string() + "//");
  EXPECT_NE(start_error().find("symbolic link"), std::string::npos);
}

TEST_F(DirectoryTest, APathThatEndsInASlashIsTheSameDirectory) {
  option("directory", directory_.string() + "/");
  start();
  EXPECT_EQ(store(mail()).kind, LSMTPD_STORED);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(DirectoryTest, AParentThatEveryoneCanWriteToIsRefusedUnlessItIsSticky) {
  directory_ = root_ / "shared" / "spool";
  fs::create_directories(directory_);
  ::chmod(directory_.c_str(), 0700);
  ::chmod((root_ / "shared").c_str(), 0777);
  option("directory", directory_.string());
  EXPECT_NE(start_error().find((root_ / "shared").string() + " can be written to by everyone"),
            std::string::npos);
  close_host();
  ::chmod((root_ / "shared").c_str(), 01777);
  open_host();
  start();
}

TEST_F(DirectoryTest, ParentsAreLookedAtWhereSymbolicLinksLead) {
  directory_ = root_ / "shared" / "inner" / "spool";
  fs::create_directories(directory_);
  ::chmod((root_ / "shared").c_str(), 0777);
  fs::create_directory_symlink("shared/inner", root_ / "link");
  option("directory", (root_ / "link" / "spool").string());
  EXPECT_NE(start_error().find((root_ / "shared").string() + " can be written to"),
            std::string::npos);
}

TEST_F(DirectoryTest, ALinkBesideWhichEveryoneCanWriteIsRefused) {
  fs::create_directories(root_ / "shared");
  fs::create_directories(root_ / "home" / "spool");
  fs::create_directory_symlink(root_ / "home", root_ / "shared" / "link");
  ::chmod((root_ / "shared").c_str(), 0777);
  const auto faults = check_path(root_ / "shared" / "link" / "spool", ::geteuid(), ::getegid());
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_TRUE(faults[0].error);
}

TEST_F(DirectoryTest, AnotherUsersDirectoryIsRefusedAndNamesBothUsers) {
  fs::create_directory(directory_);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(directory_.c_str(), 4711, 4711), 0);
  }
  const auto faults = check_path(directory_, 4712, 4712);
  ASSERT_FALSE(faults.empty());
  EXPECT_TRUE(faults.back().error);
  EXPECT_NE(faults.back().text.find(directory_.string() + " belongs to user"), std::string::npos);
  EXPECT_NE(faults.back().text.find("4712"), std::string::npos);
}

TEST_F(DirectoryTest, DirectoryWritableForAnotherGroupIsRefused) {
  fs::create_directory(directory_);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(directory_.c_str(), 4711, 4711), 0);
  }
  struct stat status {};
  ASSERT_EQ(::stat(directory_.c_str(), &status), 0);
  ::chmod(directory_.c_str(), 0770);
  EXPECT_TRUE(check_path(directory_, status.st_uid, status.st_gid).empty());
  const auto faults = check_path(directory_, status.st_uid, status.st_gid + 1);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_TRUE(faults[0].error);
  EXPECT_NE(faults[0].text.find("can be written to by group"), std::string::npos);
}

TEST_F(DirectoryTest, ALoopOfLinksEnds) {
  fs::create_directory_symlink("b", root_ / "a");
  fs::create_directory_symlink("a", root_ / "b");
  const auto faults = check_path(root_ / "a" / "spool", ::geteuid(), ::getegid());
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].text.find("too many symbolic links"), std::string::npos);
}

TEST_F(DirectoryTest, ARemovedLockLetsNoSecondDaemonIn) {
  start();
  lsmtpd_test* first = host_;
  ASSERT_TRUE(fs::remove(directory_ / ".lock"));
  open_host();
  EXPECT_NE(start_error().find("in use by another lsmtpd"), std::string::npos);
  close_host();
  host_ = first;
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

TEST_F(DirectoryTest, CheckingTheOptionsFindsAParentThatIsMissingOrNoDirectory) {
  directory_ = root_ / "no" / "such" / "";
  close_host();
  open_host();
  give_options();
  EXPECT_NE(lsmtpd_test_validate_options(host_), 0);
  EXPECT_NE(std::string(lsmtpd_test_errors(host_)).find((root_ / "no").string() + ": No such file"),
            std::string::npos)
      << lsmtpd_test_errors(host_);
  close_host();
  std::ofstream(root_ / "file") << "x";
  directory_ = root_ / "file" / "spool";
  open_host();
  give_options();
  EXPECT_NE(lsmtpd_test_validate_options(host_), 0);
}

TEST_F(DirectoryTest, CheckingTheOptionsFindsWhatThisUserMayNotWriteTo) {
  ::chmod(root_.c_str(), 0755);
  if (::geteuid() == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "root writes everywhere";
  give_options();
  const int missing = lsmtpd_test_validate_options(host_);
  const std::string parent = lsmtpd_test_errors(host_);
  close_host();
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::create_directory(directory_);
  ::chmod(directory_.c_str(), 0500);
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  open_host();
  give_options();
  const int closed = lsmtpd_test_validate_options(host_);
  const std::string own = lsmtpd_test_errors(host_);
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  if (::getuid() == 0) {
    EXPECT_NE(missing, 0);
    EXPECT_NE(parent.find(root_.string() + " cannot be written to: Permission denied"),
              std::string::npos)
        << parent;
  }
  EXPECT_NE(closed, 0);
  EXPECT_NE(own.find(directory_.string() + " cannot be written to: Permission denied"),
            std::string::npos)
      << own;
}

// The start that made it may have ended before it was synced.
TEST_F(DirectoryTest, ExistingDirectoryIsSyncedWithItsFoldersAndItsParent) {
  start();
  close_host();
  open_host();
  Faults::get().reset();
  start();
  EXPECT_EQ(Faults::get().count("sync_directory"), 3) << "that of the journal too";
}

TEST_F(DirectoryTest, FailedStartNamesItsStep) {
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
