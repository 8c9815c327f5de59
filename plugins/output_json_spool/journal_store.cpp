// SPDX-License-Identifier: Apache-2.0
#include "journal_store.hpp"

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "encoded_words.hpp"
#include "file_names.hpp"
#include "file_store.hpp"
#include "journal_mail.hpp"
#include "stored_header.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kWindow = 16 * 1024;  // copies that are put in order at a time

bool before(const journal::Copy& a, const journal::Copy& b) {
  return std::tie(a.time_ns, a.key.first, a.key.second) <
         std::tie(b.time_ns, b.key.first, b.key.second);
}

std::string fault_of(journal::RecordReader::Found found, std::int64_t error) {
  switch (found) {
    case journal::RecordReader::Found::yes:
      return "";
    case journal::RecordReader::Found::gone:
      return "the file of its content is missing";
    case journal::RecordReader::Found::damaged:
      return "its checksum is wrong";
    case journal::RecordReader::Found::unreadable:
      return error_text(error);
  }
  return "";
}

}  // namespace

mail_json::Result<std::unique_ptr<JournalStore>> JournalStore::open(Files& files,
                                                                    const Directory& directory,
                                                                    JournalEvents::Log log) {
  File folder(files, files.open_directory_in(directory.messages(), "journal"));
  if (folder.get() == -ENOENT) return nullptr;
  if (!folder)
    return tl::make_unexpected("cannot open " + directory.path() +
                               "/journal: " + error_text(folder.get()));
  std::unique_ptr<JournalStore> store(
      new JournalStore(files, directory, std::move(folder), std::move(log)));
  if (const auto loaded = store->load(); !loaded) return tl::make_unexpected(loaded.error());
  return store;
}

mail_json::Result<void> JournalStore::load() {
  auto view = std::make_unique<View>(files_, folder_.get());
  const auto result = journal::Recovery(view->segments, view->state, true).run();
  if (!result) return tl::make_unexpected(directory_.path() + "/journal: " + result.error());
  view_ = std::move(view);
  return {};
}

// A daemon moves messages now and then: what is not in its place is looked for once more.
JournalStore::Found JournalStore::find(const CopyKey& key, journal::StoredRecord& record,
                                       std::int64_t& error) {
  if (visited_ && visited_->key.state == key.state && visited_->key.id == key.id) {
    record = visited_->record;
    return Found::yes;
  }
  for (int attempt = 0;; ++attempt) {
    const auto copy = copies().find(key.id, key.state == State::dead);
    if (!copy) return Found::gone;
    const Found found = copies().read(*copy, record, error);
    if (found != Found::gone || attempt > 0 || !load()) return found;
  }
}

mail_json::Result<void> JournalStore::each(States states, Order, const Visit& visit) {
  bool good = true;
  missed_ = false;
  const bool more = each_copy(states, visit);
  if (more && states.quarantine) each_damaged(visit, good);
  if (!good) return tl::make_unexpected("cannot read the directory of quarantine");
  return {};
}

// In the order of time always: it costs nothing here. False: the visitor ended it.
bool JournalStore::each_copy(States states, const Visit& visit) {
  std::optional<journal::Copy> last;
  for (;;) {
    const auto window = copies().next(
        before,
        [&](const journal::Copy& copy) {
          return (copy.dead ? states.dead : states.waiting) && (!last || before(*last, copy));
        },
        kWindow);
    for (const journal::Copy& copy : window) {
      last = copy;
      journal::StoredRecord record;
      std::int64_t error = 0;
      const Found found = copies().read(copy, record, error);
      missed_ = missed_ || found == Found::gone;
      if (found != Found::yes) continue;
      const CopyKey key{copy.dead ? State::dead : State::waiting, record.id};
      visited_ = {key, std::move(record)};
      const bool wanted = visit(key);
      visited_.reset();
      if (!wanted) return false;
    }
    if (window.size() < kWindow) return true;
  }
}

bool JournalStore::each_damaged(const Visit& visit, bool& good) const {
  if (directory_.quarantine() < 0) return true;
  const auto listing = files_.list(directory_.quarantine());
  good = listing != nullptr;
  const std::string ending = kDamagedEnding;
  std::string name;
  while (listing && listing->next(name)) {
    if (!name.ends_with(ending)) continue;
    const std::string id = name.substr(0, name.size() - ending.size());
    if (valid_id(id) && !visit({State::quarantine, id})) return false;
  }
  return true;
}

std::uint64_t JournalStore::count(State state) {
  const journal::Totals totals = copies().totals();
  if (state == State::waiting) return totals.waiting;
  if (state == State::dead) return totals.dead;
  std::uint64_t count = 0;
  bool good = true;
  each_damaged([&](const CopyKey&) { return ++count > 0; }, good);
  return count;
}

bool JournalStore::has(const CopyKey& key) {
  if (key.state == State::quarantine) return read_damaged(key).has_value();
  return copies().find(key.id, key.state == State::dead).has_value();
}

std::optional<Entry> JournalStore::read_damaged(const CopyKey& key) const {
  FileInfo info;
  const std::string name = key.id + kDamagedEnding;
  if (directory_.quarantine() < 0 ||
      files_.info_in(directory_.quarantine(), name.c_str(), info) < 0)
    return std::nullopt;
  Entry entry;
  entry.id = key.id;
  entry.state = State::quarantine;
  entry.size = info.size;
  entry.stored_ns = entry.first_ns = info.changed_ns;
  entry.problem = "bytes of the journal that are no message";
  return entry;
}

std::optional<Entry> JournalStore::read(const CopyKey& key, Detail detail) {
  if (key.state == State::quarantine) return read_damaged(key);
  journal::StoredRecord record;
  std::int64_t error = 0;
  const Found found = find(key, record, error);
  if (found == Found::gone) return std::nullopt;
  Entry entry;
  entry.id = key.id;
  entry.state = key.state;
  entry.problem = fault_of(found, error);
  if (found != Found::yes) return entry;
  entry.size = record.header.end() - record.header.position;
  if (record.header.apart) entry.size += record.header.content_size;
  entry.stored_ns = entry.first_ns = record.header.time_ns;
  auto mail = parse_envelope(record);
  if (!mail) {
    entry.problem = mail.error();
    return entry;
  }
  entry.mail = std::move(*mail);
  entry.attempts = entry.mail.bookkeeping.attempts;
  entry.reason = entry.mail.bookkeeping.reason;
  if (detail == Detail::envelope) return entry;
  std::string header;
  copies().content(
      record,
      [&](std::string_view piece) {
        header.append(piece.substr(0, FileStore::kHeaderMax - header.size()));
        return header.size() < FileStore::kHeaderMax &&
               header.find("\r\n\r\n") == std::string::npos;
      },
      error);
  entry.message_id = header_field(header, "Message-ID");
  entry.subject = decode_words(header_field(header, "Subject"));
  return entry;
}

mail_json::Result<void> JournalStore::content(const CopyKey& key,
                                              const mail_json::Reader::Sink& sink) {
  if (key.state == State::quarantine)
    return tl::make_unexpected("it is no message: bytes of the journal that cannot be read");
  journal::StoredRecord record;
  std::int64_t error = 0;
  Found found = find(key, record, error);
  if (found == Found::gone) return tl::make_unexpected("it has vanished");
  bool taken = true;
  if (found == Found::yes)
    found = copies().content(
        record, [&](std::string_view piece) { return taken = sink(piece); }, error);
  if (!taken) return tl::make_unexpected("the content was not taken");
  if (found != Found::yes) return tl::make_unexpected(fault_of(found, error));
  return {};
}

// 0, or an errno as a negative number. -EBUSY: a daemon uses the directory, and has no socket.
int JournalStore::open_changes() {
  if (changes_) return 0;
  auto client = std::make_unique<ChangeClient>();
  if (client->connect(directory_)) {
    changes_ = std::move(client);
    return 0;
  }
  if (!directory_.keep_others_out()) return -EBUSY;
  auto opened = journal::Journal::open(files_, folder_.get(), {}, events_);
  if (!opened) return -EIO;
  own_ = std::move(*opened);
  changes_ = std::make_unique<OwnChanges>(files_, directory_, *own_);
  return 0;
}

int JournalStore::remove(const CopyKey& key) {
  if (key.state == State::quarantine)
    return files_.unlink(directory_.quarantine(), (key.id + kDamagedEnding).c_str());
  if (const int error = open_changes(); error < 0) return error;
  visited_.reset();
  const int error = changes_->remove(key.state, key.id);
  if (error < 0) return error;
  const std::lock_guard lock(view_->state.mutex);
  view_->state.remove(copies().key_of(key.id, key.state == State::dead));
  return 0;
}

int JournalStore::retry(const CopyKey& key) {
  if (key.state == State::quarantine) return -EBADMSG;
  if (const int error = open_changes(); error < 0) return error;
  visited_.reset();
  return changes_->retry(key.id);
}

}  // namespace lsmtpd::json_spool
