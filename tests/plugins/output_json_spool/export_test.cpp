// SPDX-License-Identifier: Apache-2.0
// Messages that are exported to files: what is reported as exported is whole and durable.
#include "export_folder.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "faulty_files.hpp"
#include "file_store.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

namespace fs = std::filesystem;

class ExportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Faults::get().reset();
    std::string name = ::testing::TempDir() + "lsmtpd-export-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(root_ / "spool");
    std::ofstream(root_ / "spool" / "one.json")
        << R"({"timestamp":"2026-11-22T01:38:39.271215996+00:00","message_id":"one",)"
           R"("client_address":"pc","recipients":["<r@example.org>"],"email_content":"hi\r\n",)"
           R"("sender":"s@example.org"})";
    auto spool = Directory::open_for_reading(files_, root_ / "spool");
    ASSERT_TRUE(spool);
    directory_.emplace(std::move(*spool));
    store_.emplace(files_, *directory_);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string read(const std::string& name) {
    std::ifstream file(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const CopyKey key_{State::waiting, "one"};
  FaultyFiles files_;
  fs::path root_;
  std::optional<Directory> directory_;
  std::optional<FileStore> store_;
};

TEST_F(ExportTest, AFileThatIsNotWholeAndDurableIsNoExport) {
  const std::string name = root_ / "one.eml";
  for (const char* fault : {"open_new", "write", "sync_data", "close"}) {
    Faults::get().fail(fault, 0, EIO);
    const std::string problem = export_file(files_, *store_, key_, AT_FDCWD, name);
    EXPECT_NE(problem.find("Input/output error"), std::string::npos) << fault << ": " << problem;
    EXPECT_FALSE(fs::exists(name)) << fault;
    Faults::get().heal();
  }
  EXPECT_EQ(export_file(files_, *store_, key_, AT_FDCWD, name), "");
  EXPECT_EQ(read("one.eml"), "hi\r\n");
}

TEST_F(ExportTest, AFileThatWasThereIsKept) {
  std::ofstream(root_ / "one.eml") << "precious";
  EXPECT_NE(export_file(files_, *store_, key_, AT_FDCWD, root_ / "one.eml"), "");
  EXPECT_EQ(read("one.eml"), "precious");
}

TEST_F(ExportTest, AFolderHasNoHalfFilesAndReportsNamesThatAreNotDurable) {
  std::vector<ExportFolder::Done> done;
  std::string problem;
  ExportFolder folder(files_, [&](const CopyKey&, ExportFolder::Done one, const std::string& why) {
    done.push_back(one);
    problem = why;
  });
  ASSERT_EQ(folder.open(root_ / "out"), "");
  const auto failed = std::vector{ExportFolder::Done::failed};
  for (const char* fault : {"open_new", "write", "sync_data", "close", "rename_new"}) {
    done.clear();
    Faults::get().fail(fault, 0, EIO);
    folder.add(*store_, key_);
    folder.finish();
    EXPECT_EQ(done, failed) << fault;
    EXPECT_NE(problem.find("Input/output error"), std::string::npos) << fault << ": " << problem;
    Faults::get().heal();
    EXPECT_TRUE(fs::is_empty(root_ / "out")) << fault;
  }
  done.clear();
  folder.add(*store_, key_);
  folder.add(*store_, key_);  // one id twice
  folder.finish();
  EXPECT_EQ(done, (std::vector{ExportFolder::Done::was_there, ExportFolder::Done::written}));
  done.clear();
  fs::remove(root_ / "out" / "one.eml");
  Faults::get().fail("sync_directory", 0, EIO);
  folder.add(*store_, key_);
  folder.finish();
  EXPECT_EQ(done, failed);
  EXPECT_EQ(problem, "cannot fsync the directory: Input/output error");
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
