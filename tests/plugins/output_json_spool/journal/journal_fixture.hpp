// SPDX-License-Identifier: Apache-2.0
// A journal in a directory of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../faulty_files.hpp"
#include "journal/crc32c.hpp"
#include "journal/journal.hpp"

namespace lsmtpd::journal::testing {

namespace fs = std::filesystem;
using json_spool::testing::Faults;
using json_spool::testing::FaultyFiles;

// A message whose answer a test waits for.
class TestMessage : public MessageAppend {
 public:
  TestMessage(const Journal& journal, const std::string& id, std::string text,
              std::promise<std::int64_t> answer)
      : text_(std::move(text)), answer_(std::move(answer)) {
    NewCopy copy;
    copy.id = id;
    copy.meta = "{\"of\":\"" + id + "\"}";
    copy.content_size = text_.size();
    copy.time_ns = std::chrono::system_clock::now().time_since_epoch().count();
    prepare(std::move(copy), journal.copies().key_of(id, false));
  }
  // The content turns out to be unreadable.
  void break_content() { broken_ = true; }

  bool content(const Sink& sink) override {
    return sink(std::string_view(text_).substr(0, broken_ ? text_.size() / 2 : text_.size())) &&
           !broken_;
  }

 protected:
  void answered(std::int64_t error) override { answer_.set_value(error); }

 private:
  const std::string text_;
  std::promise<std::int64_t> answer_;
  bool broken_ = false;
};

class RecordedEvents : public Events {
 public:
  void failed(const GroupWriter::Failure& failure) override { add(failures_, failure.what); }
  bool damaged(SegmentFiles&, const Recovery::Fault& fault) override {
    add(damages_, std::to_string(fault.from));
    return true;
  }
  void segment_damaged(const std::string& name) override { add(segments_, name); }
  void segment_unreadable(const std::string& name) override { add(segments_, name); }

  std::vector<std::string> failures() { return get(failures_); }
  std::vector<std::string> damages() { return get(damages_); }
  std::vector<std::string> segments() { return get(segments_); }

 private:
  void add(std::vector<std::string>& list, const std::string& text) {
    const std::lock_guard lock(mutex_);
    list.push_back(text);
  }
  std::vector<std::string> get(const std::vector<std::string>& list) {
    const std::lock_guard lock(mutex_);
    return list;
  }
  std::mutex mutex_;
  std::vector<std::string> failures_, damages_, segments_;
};

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Faults::get().reset();
    std::string name = ::testing::TempDir() + "lsmtpd-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(root_ / "journal");
    fs::create_directory(root_ / "graveyard");
    directory_ = ::open((root_ / "journal").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    settings_.segment_size = 256 * 1024;
    files_ = std::make_unique<FaultyFiles>();
  }
  void TearDown() override {
    journal_.reset();
    ::close(directory_);
    fs::remove_all(root_);
  }

  void open() {
    auto opened = Journal::open(*files_, directory_, settings_, events_);
    ASSERT_TRUE(opened) << opened.error();
    journal_ = std::move(*opened);
  }
  void reopen() {
    journal_.reset();
    open();
  }

  std::future<std::int64_t> begin(const std::string& id, const std::string& text) {
    std::promise<std::int64_t> promise;
    auto answer = promise.get_future();
    std::unique_ptr<MessageAppend> message =
        std::make_unique<TestMessage>(*journal_, id, text, std::move(promise));
    EXPECT_TRUE(journal_->submit(message));
    return answer;
  }
  std::int64_t store(const std::string& id, const std::string& text) {
    return begin(id, text).get();
  }

  // A copy that waits, or a dead letter.
  std::optional<Copy> find(const std::string& id) const {
    const auto waiting = journal_->copies().find(id, false);
    return waiting ? waiting : journal_->copies().find(id, true);
  }
  std::int64_t remove(const std::string& id) {
    const auto copy = find(id);
    return copy ? journal_->remove_now(copy->key) : -ENOENT;
  }

  // The content; "-" where there is no such copy, "?" where it cannot be read.
  std::string read(const std::string& id) {
    const auto copy = find(id);
    if (!copy) return "-";
    StoredRecord record;
    std::int64_t error = 0;
    if (journal_->copies().read(*copy, record, error) != RecordReader::Found::yes) return "?";
    EXPECT_EQ(record.id, id);
    EXPECT_EQ(record.meta, "{\"of\":\"" + id + "\"}");
    std::string text;
    const auto found = journal_->copies().content(
        record,
        [&](std::string_view piece) {
          text += piece;
          return true;
        },
        error);
    return found == RecordReader::Found::yes ? text : "?";
  }

  std::vector<std::string> names(const std::string& suffix) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_ / "journal"))
      if (entry.path().extension() == suffix) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }
  static void wait_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(condition());
  }
  // Writes over bytes of a file of the journal.
  void overwrite(const std::string& name, std::uint64_t offset, const std::string& bytes) const {
    const int fd = ::open((root_ / "journal" / name).c_str(), O_WRONLY);
    EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }

  fs::path root_;
  int directory_ = -1;
  JournalSettings settings_;
  std::unique_ptr<FaultyFiles> files_;
  RecordedEvents events_;
  std::unique_ptr<Journal> journal_;
};

}  // namespace lsmtpd::journal::testing
