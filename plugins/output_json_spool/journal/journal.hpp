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
#include "journal/copy_view.hpp"
#include "journal/group_writer.hpp"
#include "journal/record_reader.hpp"
#include "journal/recovery.hpp"

namespace lsmtpd::journal {

struct JournalSettings {
  std::uint32_t segment_size = 16 * 1024 * 1024;
  bool recycle = true;
  std::uint32_t body_threads = 4;
};

// The journal calls these for faults; they write the line of the log. [any]
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

  const CopyView& copies() const { return copies_; }

  // Stores a message. False: too much waits; `append` is unchanged.
  bool submit(std::unique_ptr<MessageAppend>& append);
  // Takes back one that is not begun; null: there is none.
  std::unique_ptr<Append> take_if(const std::function<bool(const Append&)>& wanted);

  // Removes a copy; `told` is answered once a crash does not bring it back, though a power cut may.
  // False: there is none, and `told` is unchanged.
  bool remove(const Key& key, std::unique_ptr<Append>& told);
  // The same, and waits. -ENOENT: there is none.
  std::int64_t remove_now(const Key& key);
  // Removes a copy if it is at this place still; the removal is written by write_removals(). False:
  // it is not.
  bool remove_at(const Key& key, const Place& place);
  // Writes the removals so far, without a flush: a crash does not bring the copies back, though a
  // power cut may. Blocks.
  std::int64_t write_removals();
  // Puts it in another state, durable, with another envelope. -ENOENT: it has gone. Blocks.
  std::int64_t change(const Copy& copy, const StoredRecord& record, bool dead, std::string meta);
  // Puts a damaged record aside and removes it. Blocks.
  void quarantine(const Copy& copy);
  // Writes removals that wait, and makes all durable. Blocks.
  std::int64_t flush();
  // The same where there is something to flush, without waiting.
  void flush_later();
  // Bytes that no new segment may take from the file system.
  void set_min_free(std::uint64_t bytes) { files_.set_min_free(bytes); }

  // Last: writes what waits, and where no copy is left removes the segments, so that a directory
  // without messages can be told by its files. [main], blocks.
  void end();

  std::uint64_t bytes() const;  // that the segments take
  std::uint64_t flushes() const { return writer_.flushes(); }

 private:
  Journal(Files& files, int directory, const JournalSettings& settings, Events& events);

  mail_json::Result<void> recover();
  void stop();
  void free_what_is_empty();

  SegmentFiles files_;
  State state_;
  const CopyView copies_;
  Events& events_;
  GroupWriter writer_;
  Cleaner cleaner_;
  BodyWriter bodies_;
};

}  // namespace lsmtpd::journal
