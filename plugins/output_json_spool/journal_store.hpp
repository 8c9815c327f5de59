// SPDX-License-Identifier: Apache-2.0
// The copies in a spool's journal, for `lsmtpd spool`. It reads the segments itself, as they are
// when it begins; changes go to the daemon that uses the directory, or where there is none into the
// journal at once, with the lock that keeps a daemon out. Damaged bytes in quarantine are shown
// too. [main]
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "change_socket.hpp"
#include "journal_events.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

class JournalStore : public Store {
 public:
  // Null: there is no journal. `log` tells of faults that are found while it is changed.
  static mail_json::Result<std::unique_ptr<JournalStore>> open(Files& files,
                                                               const Directory& directory,
                                                               JournalEvents::Log log);

  // missed(): copies that were there when the journal was read, and went away before their visit.
  mail_json::Result<void> each(States states, Order order, const Visit& visit) override;
  bool missed() const { return missed_; }
  std::uint64_t count(State state) override;
  bool has(const CopyKey& key) override;
  std::optional<Entry> read(const CopyKey& key, Detail detail) override;
  mail_json::Result<void> content(const CopyKey& key, const mail_json::Reader::Sink& sink) override;
  int remove(const CopyKey& key) override;
  int retry(const CopyKey& key) override;

 private:
  using Found = journal::RecordReader::Found;

  JournalStore(Files& files, const Directory& directory, File folder, JournalEvents::Log log)
      : files_(files),
        directory_(directory),
        folder_(std::move(folder)),
        events_(files, directory, std::move(log)) {}

  mail_json::Result<void> load();
  const journal::CopyView& copies() const { return view_->copies; }
  Found find(const CopyKey& key, journal::StoredRecord& record, std::int64_t& error);
  bool each_copy(States states, const Visit& visit);
  bool each_damaged(const Visit& visit, bool& good) const;
  std::optional<Entry> read_damaged(const CopyKey& key) const;
  int open_changes();

  // The journal as it was read.
  struct View {
    View(Files& files, int folder)
        : segments(files, folder, journal::kSegmentMin, true), copies(segments, state) {}
    journal::SegmentFiles segments;
    journal::State state;
    journal::CopyView copies;
  };

  Files& files_;
  const Directory& directory_;
  const File folder_;
  JournalEvents events_;
  std::unique_ptr<View> view_;
  // The copy that each() shows at the moment: what the visitor asks of it is not read again.
  struct Visited {
    CopyKey key;
    journal::StoredRecord record;
  };
  std::optional<Visited> visited_;
  bool missed_ = false;
  std::unique_ptr<journal::Journal> own_;
  std::unique_ptr<JournalChanges> changes_;
};

}  // namespace lsmtpd::json_spool
