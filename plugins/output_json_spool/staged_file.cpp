// SPDX-License-Identifier: Apache-2.0
#include "staged_file.hpp"

#include <atomic>
#include <cerrno>
#include <mail_json/writer.hpp>

#include "archive.hpp"
#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

namespace json = lsmtpd::mail_json;

// Names in tmp/ of this process; a start removes those of earlier processes.
std::string next_temporary() {
  static std::atomic<std::uint64_t> counter{0};
  return std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
}

class SdkContent : public json::Content {
 public:
  explicit SdkContent(const sdk::Message& message) : message_(message) {}
  std::uint64_t size() const override { return message_.size(); }
  std::string_view peek(std::uint64_t offset) override { return message_.peek(offset); }
  std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) override {
    return message_.read(offset, buffer, size);
  }

 private:
  const sdk::Message& message_;
};

}  // namespace

bool StagedFile::Failure::alarming() const {
  if (sync) return true;
  for (const int passing : {ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM}) {
    if (error == -passing) return false;
  }
  return error != 0;
}

StagedFile::StagedFile(Files& files, const Directory& directory)
    : files_(files), directory_(directory) {}

StagedFile::~StagedFile() {
  drop_temporary();
}

void StagedFile::drop_temporary() {
  if (!temporary_.empty()) files_.unlink(directory_.temporary(), temporary_.c_str());
  temporary_.clear();
}

bool StagedFile::fail(const char* what, std::int64_t error, bool sync) {
  failure_ = {what, error, sync};
  file_.close();
  drop_temporary();
  return false;
}

bool StagedFile::open() {
  int fd = 0;
  if (directory_.unnamed_files()) {
    fd = files_.open_unnamed(directory_.messages());
  } else {
    temporary_ = next_temporary();
    fd = files_.open_new(directory_.temporary(), temporary_.c_str());
    if (fd < 0) temporary_.clear();
  }
  if (fd < 0) return fail("cannot make a file", fd);
  file_ = File(files_, fd);
  return true;
}

bool StagedFile::write(const sdk::Message& message, std::string_view copy_id,
                       const Purpose& purpose, bool extra, char* buffer, std::size_t buffer_size) {
  name_ = file_name(copy_id);
  json::Bookkeeping book = bookkeeping(message, copy_id, purpose);
  // A fallback's file must have all that replay needs; for other files these keys are extra.
  const bool keep_book = extra || !purpose.target.empty();
  std::int64_t stored_before_ns = 0;
  if (!purpose.target.empty()) {
    stored_before_ns = first_time_of_older();
    book.first_ns = stored_before_ns != 0 ? stored_before_ns : files_.now_ns();
  }
  SdkContent content(message);
  json::Writer writer(message.envelope(),
                      {extra, keep_book ? &book : nullptr, traceparent_of(book)});
  if (!writer.measure(content)) return fail("cannot read the message", -EIO);
  if (!open()) return false;
  if (purpose.in_doubt) files_.mark(file_.get());  // the file itself says so too
  for (;;) {
    const std::int64_t made = writer.produce(content, buffer, buffer_size);
    if (made == 0) {
      // It keeps its place among those that wait, and its age. Only a hint.
      if (stored_before_ns != 0) files_.set_time(file_.get(), stored_before_ns);
      return true;
    }
    if (made < 0) return fail("cannot read the message", -EIO);
    if (!write_all(buffer, static_cast<std::size_t>(made))) return false;
  }
}

// When the copy that this one replaces was first stored; 0: there is none.
std::int64_t StagedFile::first_time_of_older() {
  const File older(files_, files_.open_existing(directory_.messages(), name_.c_str()));
  FileInfo info;
  if (!older || files_.info(older.get(), info) < 0) return 0;
  FileInput input(files_, older.get());
  const auto mail = json::Reader(input).open_head();
  return mail && mail->bookkeeping.first_ns != 0 ? mail->bookkeeping.first_ns : info.changed_ns;
}

bool StagedFile::write_all(const char* data, std::size_t size) {
  while (size > 0) {
    const std::int64_t count = files_.write(file_.get(), data, size);
    if (count < 0) return fail("cannot write", count);
    if (count == 0) return fail("cannot write", -EIO);
    data += count;
    size -= static_cast<std::size_t>(count);
    size_ += static_cast<std::uint64_t>(count);
  }
  return true;
}

void StagedFile::flush_begin() {
  // Only a hint: flush_end() reports errors.
  files_.start_writeback(file_.get());
}

bool StagedFile::flush_end() {
  const int error = files_.sync_data(file_.get());
  return error >= 0 || fail("cannot fsync the file", error, true);
}

bool StagedFile::publish() {
  if (temporary_.empty()) {
    const int error = files_.link_unnamed(file_.get(), directory_.messages(), name_.c_str());
    if (error < 0 && error != -EEXIST) return fail("cannot link the file", error);
    if (error == -EEXIST && !replace()) return false;
  } else {
    look_at_older();
    const int error = files_.rename(directory_.temporary(), temporary_.c_str(),
                                    directory_.messages(), name_.c_str());
    if (error < 0) return fail("cannot rename the file", error);
    temporary_.clear();
  }
  published_ = true;
  return true;
}

bool StagedFile::replace() {
  look_at_older();
  replaced_ = true;
  const std::string name = next_temporary();
  int error = files_.link_unnamed(file_.get(), directory_.temporary(), name.c_str());
  if (error < 0) return fail("cannot link the file", error);
  temporary_ = name;
  error = files_.rename(directory_.temporary(), name.c_str(), directory_.messages(), name_.c_str());
  if (error < 0) return fail("cannot rename the file", error);
  temporary_.clear();
  return true;
}

void StagedFile::look_at_older() {
  FileInfo older;
  const int error = files_.info_in(directory_.messages(), name_.c_str(), older);
  replaced_ = error != -ENOENT;  // on an error there may be an older copy
  if (error >= 0) replaced_size_ = older.size;
}

void StagedFile::retract(std::int64_t error) {
  fail("cannot fsync the directory", error, true);
  if (published_ && !replaced_) files_.unlink(directory_.messages(), name_.c_str());
  published_ = false;
}

}  // namespace lsmtpd::json_spool
