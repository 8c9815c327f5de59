// SPDX-License-Identifier: Apache-2.0
#include "staged_file.hpp"

#include <atomic>
#include <cerrno>
#include <mail_json/writer.hpp>

#include "archive.hpp"
#include "bookkeeping.hpp"
#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

namespace json = lsmtpd::mail_json;

// Names in tmp/ of this process; a start removes those of earlier processes.
std::string next_temporary() {
  static std::atomic<std::uint64_t> counter{0};
  return std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
}

// A file that is made later than this after its message was stored gets the time of that.
constexpr std::int64_t kLate = 1'000'000'000;

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

bool StagedFile::write(const std::string& copy_id, json::StoredMail mail, json::Content& content,
                       bool extra, char* buffer, std::size_t buffer_size) {
  name_ = file_name(copy_id);
  json::Bookkeeping& book = mail.bookkeeping;
  const bool kept = !book.target.empty();
  const std::int64_t older_ns = kept ? first_time_of_older() : 0;
  if (older_ns != 0) book.first_ns = older_ns;
  const std::int64_t time_ns = book.first_ns;
  if (!kept) book.first_ns = 0;
  // A fallback's file must have all that replay needs; for other files these keys are extra.
  json::Writer writer(json::EnvelopeView(mail).get(),
                      {extra, extra || kept ? &book : nullptr, traceparent_of(book)});
  if (!writer.measure(content)) return fail("cannot read the message", -EIO);
  if (!open()) return false;
  if (book.in_doubt) files_.mark(file_.get());  // the file itself says so too
  for (;;) {
    const std::int64_t made = writer.produce(content, buffer, buffer_size);
    if (made < 0) return fail("cannot read the message", -EIO);
    if (made == 0) break;
    if (!write_all(buffer, static_cast<std::size_t>(made))) return false;
  }
  // It keeps its place among those that wait, and its age. Only a hint.
  if (kept && (older_ns != 0 || files_.now_ns() - time_ns > kLate))
    files_.set_time(file_.get(), time_ns);
  return true;
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

bool StagedFile::flush() {
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
