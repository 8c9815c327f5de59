// SPDX-License-Identifier: Apache-2.0
#include "journal_archive.hpp"

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "journal_mail.hpp"

namespace lsmtpd::json_spool {
namespace {

using Found = journal::RecordReader::Found;

bool before(const journal::Copy& a, const journal::Copy& b) {
  return std::tuple(!a.in_doubt, a.time_ns, a.key.first, a.key.second) <
         std::tuple(!b.in_doubt, b.time_ns, b.key.first, b.key.second);
}

std::vector<journal::Copy> next_of(const journal::CopyView& copies,
                                   const std::optional<journal::Copy>& last, std::size_t most) {
  return copies.next(
      before,
      [&](const journal::Copy& copy) { return !copy.dead && (!last || before(*last, copy)); },
      most);
}

}  // namespace

Found JournalArchive::read(const journal::Copy& copy, journal::StoredRecord& record) {
  std::int64_t error = 0;
  Found found = journal_.copies().read(copy, record, error);
  if (found == Found::gone) {
    const auto present = journal_.copies().find(copy.key);
    if (present) found = journal_.copies().read(*present, record, error);
  }
  if (found == Found::unreadable) problem_ = "cannot read it: " + error_text(error);
  if (found == Found::damaged) problem_ = "its checksum in the journal is wrong";
  return found;
}

bool JournalArchive::fill_window() {
  window_ = next_of(journal_.copies(), listed_, kWindow);
  window_has_all_ = window_.size() < kWindow;
  std::reverse(window_.begin(), window_.end());
  return !window_.empty();
}

Archive::Page JournalArchive::list(bool restart, std::uint32_t max) {
  Archive::Page page;
  if (restart) {
    listed_.reset();
    window_.clear();
    window_has_all_ = false;
  }
  while (page.copies.size() < max) {
    if (window_.empty() && (window_has_all_ || !fill_window())) break;
    const journal::Copy copy = window_.back();
    window_.pop_back();
    listed_ = copy;
    journal::StoredRecord record;
    const Found found = read(copy, record);
    if (found == Found::damaged) journal_.quarantine(copy);
    if (found != Found::yes) continue;
    page.copies.push_back({record.id, copy.time_ns, copy.size(), copy.in_doubt});
  }
  if (window_.empty() && !window_has_all_) fill_window();
  page.end = window_.empty() && window_has_all_;
  return page;
}

Archive::Loaded JournalArchive::load(const std::string& id, const Archive::Make& make) {
  problem_.clear();
  const auto copy = journal_.copies().find(id, false);
  if (!copy) return Archive::Loaded::gone;
  journal::StoredRecord record;
  Found found = read(*copy, record);
  if (found == Found::gone) return Archive::Loaded::gone;
  if (found == Found::unreadable) return Archive::Loaded::tempfail;
  mail_json::Result<mail_json::StoredMail> mail = tl::make_unexpected(problem_);
  if (found == Found::yes) mail = parse_envelope(record);
  auto loaded = Archive::Loaded::broken;
  if (mail) {
    loaded = make(*mail, [&](const mail_json::Reader::Sink& sink) -> mail_json::Result<void> {
      std::int64_t error = 0;
      bool taken = true;
      found = journal_.copies().content(
          record, [&](std::string_view piece) { return taken = sink(piece); }, error);
      if (!taken) return tl::make_unexpected("the content was not taken");
      if (found == Found::yes) return {};
      problem_ = found == Found::unreadable ? "cannot read it: " + error_text(error)
                 : found == Found::gone     ? "the file of its content is missing"
                                            : "the checksum of its content is wrong";
      return tl::make_unexpected(problem_);
    });
  } else {
    problem_ = mail.error();
  }
  if (loaded == Archive::Loaded::broken && found == Found::unreadable)
    return Archive::Loaded::tempfail;
  // Its file of content goes with it.
  if (loaded == Archive::Loaded::broken && found == Found::gone && !has(id))
    return Archive::Loaded::gone;
  if (loaded == Archive::Loaded::broken) journal_.quarantine(*copy);
  return loaded;
}

int JournalArchive::dead_letter(const std::string& id, std::string_view reason) {
  const auto copy = journal_.copies().find(id, false);
  if (!copy) return 0;
  journal::StoredRecord record;
  const Found found = read(*copy, record);
  if (found == Found::gone) return 0;
  if (found != Found::yes) return -EIO;
  const auto mail = parse_envelope(record);
  if (!mail) return -EBADMSG;
  const auto present = journal_.copies().find(id, false);
  if (!present) return 0;
  const auto error = journal_.change(*present, record, true, envelope_with_reason(*mail, reason));
  return error == -ENOENT ? 0 : static_cast<int>(error);
}

int JournalArchive::retry(const std::string& id) {
  const auto copy = journal_.copies().find(id, true);
  if (!copy) return -ENOENT;
  if (has(id)) return -EEXIST;
  journal::StoredRecord record;
  std::int64_t error = 0;
  const Found found = journal_.copies().read(*copy, record, error);
  if (found == Found::gone) return -EAGAIN;
  if (found != Found::yes) return found == Found::damaged ? -EBADMSG : static_cast<int>(error);
  return static_cast<int>(journal_.change(*copy, record, false, record.meta));
}

bool JournalArchive::Count::next(std::uint64_t& found) {
  if (window_.empty() && !all_) {
    window_ = next_of(archive_.journal_.copies(), last_, kWindow);
    all_ = window_.size() < kWindow;
    std::reverse(window_.begin(), window_.end());
  }
  if (window_.empty()) return false;
  const journal::Copy copy = window_.back();
  window_.pop_back();
  last_ = copy;
  journal::StoredRecord record;
  const Found read = archive_.read(copy, record);
  seen_.reset();
  if (read == Found::gone) return true;
  seen_ = copy.key;
  const auto mail = parse_envelope(record);
  if (read != Found::yes || !mail || mail->bookkeeping.target == target_) ++found;
  return true;
}

}  // namespace lsmtpd::json_spool
