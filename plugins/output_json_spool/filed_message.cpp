// SPDX-License-Identifier: Apache-2.0
#include "filed_message.hpp"

#include <cerrno>

#include "journal_mail.hpp"

namespace lsmtpd::json_spool {
namespace {

// Content that has a file of its own in the journal.
class BodyContent : public mail_json::Content {
 public:
  BodyContent(Files& files, int fd, std::uint64_t size) : files_(files), fd_(fd), size_(size) {}
  std::uint64_t size() const override { return size_; }
  std::string_view peek(std::uint64_t) override { return {}; }
  std::int64_t read(std::uint64_t offset, char* buffer, std::size_t size) override {
    if (offset >= size_) return 0;
    const std::int64_t got = files_.read_at(fd_, offset, buffer, size);
    return got < 0 ? -1 : got;
  }

 private:
  Files& files_;
  const int fd_;
  const std::uint64_t size_;
};

}  // namespace

FiledMessage::FiledMessage(Files& files, const Directory& directory, journal::Journal& journal,
                           const FilerQueue::Waiting& waiting)
    : files_(files), journal_(journal), waiting_(waiting), file_(files, directory) {}

void FiledMessage::fail(const StagedFile::Failure& failure) {
  state_ = State::failed;
  failure_ = failure;
}

void FiledMessage::quarantine() {
  journal_.quarantine(copy_);
  state_ = State::gone;
}

bool FiledMessage::find() {
  const auto copy = journal_.copies().find(waiting_.key);
  if (copy) copy_ = *copy;
  return copy.has_value();
}

// The copy may get another place at any moment.
std::optional<journal::StoredRecord> FiledMessage::read() {
  constexpr int kPlaces = 5;
  for (int i = 0; i < kPlaces; ++i) {
    if (!find()) {
      state_ = State::gone;
      return std::nullopt;
    }
    journal::StoredRecord record;
    std::int64_t error = 0;
    switch (journal_.copies().read(copy_, record, error)) {
      case Found::yes:
        return record;
      case Found::gone:
        continue;
      case Found::damaged:
        quarantine();
        return std::nullopt;
      case Found::unreadable:
        fail({"cannot read the journal", error});
        return std::nullopt;
    }
  }
  fail({"cannot read the journal", -EAGAIN});
  return std::nullopt;
}

void FiledMessage::write(bool extra, char* buffer, std::size_t buffer_size) {
  const auto record = read();
  if (!record) return;
  id_ = record->id;
  header_ = record->header;
  if (!record->header.apart) return write_record(*record, extra, buffer, buffer_size);
  std::int64_t error = 0;
  const Found found = journal_.copies().content(
      *record, [](std::string_view) { return true; }, error);
  if (found == Found::unreadable) return fail({"cannot read the journal", error});
  if (found == Found::yes) return write_record(*record, extra, buffer, buffer_size);
  // Its file goes when the copy does.
  if (!journal_.copies().find(waiting_.key)) {
    state_ = State::gone;
  } else {
    quarantine();
  }
}

void FiledMessage::write_record(const journal::StoredRecord& record, bool extra, char* buffer,
                                std::size_t buffer_size) {
  auto mail = parse_envelope(record);
  if (!mail) return quarantine();
  bool written = false;
  if (record.header.apart) {
    const File body = journal_.copies().open_body(record);
    if (!body) return fail({"cannot read the journal", body.get()});
    BodyContent content(files_, body.get(), record.header.content_size);
    written = file_.write(id_, std::move(*mail), content, extra, buffer, buffer_size);
  } else {
    mail_json::TextContent content(record.inline_content);
    written = file_.write(id_, std::move(*mail), content, extra, buffer, buffer_size);
  }
  if (!written) fail(file_.failure());
}

void FiledMessage::flush() {
  if (state_ == State::begun && !file_.flush()) fail(file_.failure());
}

void FiledMessage::flush_failed(std::int64_t error) {
  if (state_ != State::begun) return;
  file_.flush_failed(error);
  fail(file_.failure());
}

bool FiledMessage::is_same(const journal::StoredRecord& record) const {
  const journal::RecordHeader& other = record.header;
  return other.payload_size == header_.payload_size && other.payload_crc == header_.payload_crc &&
         other.time_ns == header_.time_ns && other.in_doubt == header_.in_doubt;
}

void FiledMessage::publish() {
  if (state_ != State::begun) return;
  if (!journal_.copies().find(waiting_.key)) {
    state_ = State::gone;
  } else if (file_.publish()) {
    state_ = State::published;
  } else {
    fail(file_.failure());
  }
}

void FiledMessage::retract(std::int64_t error) {
  if (state_ != State::published) return;
  file_.retract(error);
  fail(file_.failure());
}

// The journal may have moved the copy, which is the same one then; or it was stored again.
bool FiledMessage::remove_from_journal() {
  while (!journal_.remove_at(waiting_.key, copy_.place)) {
    if (!find()) return true;
    journal::StoredRecord record;
    std::int64_t error = 0;
    const Found found = journal_.copies().read(copy_, record, error);
    if (found == Found::gone) continue;
    if (found != Found::yes || !is_same(record)) return false;
  }
  return true;
}

}  // namespace lsmtpd::json_spool
