// SPDX-License-Identifier: Apache-2.0
// A write-ahead journal of messages in a directory: one log of segments for all workers, in which
// many messages become durable with one flush. docs/spool-format.md has its files.
//
// Order: open() [main]; the rest [any]; the destructor [main] writes what waits. It blocks on the
// disk where that is said.
#pragma once

#include <mail_json/stored.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "journal/body_writer.hpp"
#include "journal/cleaner.hpp"
#include "journal/group_writer.hpp"
#include "journal/record_reader.hpp"
#include "journal/recovery.hpp"

namespace lsmtpd::journal {

struct JournalSettings {
  std::uint32_t segment_size = 16 * 1024 * 1024;
  bool recycle = true;
  std::uint32_t body_threads = 4;
};

// What happens in the journal and needs a line in the log, or more. [any]
class Events {
 public:
  virtual ~Events() = default;
  virtual void failed(const GroupWriter::Failure& failure) = 0;
  // Bytes that are no record any more: true where they were put aside, so that they may go.
  virtual bool damaged(SegmentFiles& files, const Recovery::Fault& fault) = 0;
  virtual void segment_damaged(const std::string& name) = 0;  // its header; it was renamed
  virtual void segment_unreadable(const std::string& name) = 0;
};

class Journal {
 public:
  // `directory` is the journal's own; it must outlive the journal, as the others. Blocks.
  static mail_json::Result<std::unique_ptr<Journal>> open(Files& files, int directory,
                                                          const JournalSettings& settings,
                                                          Events& events);
  ~Journal();

  Key key_of(std::string_view id) const { return state_.index.key_of(id); }

  // Stores a message. False: too much waits; `append` is unchanged.
  bool submit(std::unique_ptr<MessageAppend>& append);
  // Takes back one that is not begun; null: there is none.
  std::unique_ptr<Append> take_if(const std::function<bool(const Append&)>& wanted);

  std::optional<Copy> find(std::string_view id) const;
  // The copies that come next in the order of `before`, at most `most`, sorted.
  using Before = std::function<bool(const Copy&, const Copy&)>;
  std::vector<Copy> next_copies(const Before& before,
                                const std::function<bool(const Copy&)>& wanted,
                                std::size_t most) const;
  Totals totals() const;
  std::int64_t oldest_ns() const;  // of those that wait; 0: there is none

  // Both block.
  RecordReader::Found read(const Copy& copy, StoredRecord& record, std::int64_t& error);
  RecordReader::Found content(const StoredRecord& record, const RecordReader::Sink& sink,
                              std::int64_t& error);

  // 0 once a crash does not bring it back, though a power cut may; -ENOENT: there is none. Blocks.
  std::int64_t remove(std::string_view id);
  // Puts it in another state, durable, with another envelope. -ENOENT: it has gone. Blocks.
  std::int64_t change(const Copy& copy, const StoredRecord& record, bool dead, std::string meta);
  // Puts a damaged record aside and removes it. Blocks.
  void quarantine(const Copy& copy);
  // Writes removals that wait, and makes all durable. Blocks.
  std::int64_t flush();

  std::uint64_t bytes() const;  // that the segments take
  std::uint64_t flushes() const { return writer_.flushes(); }

 private:
  Journal(Files& files, int directory, const JournalSettings& settings, Events& events);

  mail_json::Result<void> recover();

  SegmentFiles files_;
  State state_;
  Events& events_;
  GroupWriter writer_;
  Cleaner cleaner_;
  BodyWriter bodies_;
};

}  // namespace lsmtpd::journal
