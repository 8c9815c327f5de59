// SPDX-License-Identifier: Apache-2.0
// One message on its way from the journal into its file. The Filer's thread; blocks on the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "filer_queue.hpp"
#include "journal/journal.hpp"
#include "staged_file.hpp"

namespace lsmtpd::json_spool {

class FiledMessage {
 public:
  enum class State {
    begun,
    published,
    gone,    // it was removed meanwhile, or is damaged and was put into quarantine
    failed,  // error()
  };

  FiledMessage(Files& files, const Directory& directory, journal::Journal& journal,
               const FilerQueue::Waiting& waiting);

  // Writes the file, without its name.
  void write(bool extra, char* buffer, std::size_t buffer_size);
  void flush();
  void flush_failed(std::int64_t error);
  // The copy must be kept from changes from here on. Gives the file its name.
  void publish();
  // The directory could not be synced.
  void retract(std::int64_t error);
  // Removes the copy from the journal, unless a newer one has taken its place: false.
  bool remove_from_journal();

  State state() const { return state_; }
  const FilerQueue::Waiting& waiting() const { return waiting_; }
  const std::string& id() const { return id_; }
  const StagedFile& file() const { return file_; }
  const StagedFile::Failure& failure() const { return failure_; }

 private:
  using Found = journal::RecordReader::Found;

  std::optional<journal::StoredRecord> read();
  void write_record(const journal::StoredRecord& record, bool extra, char* buffer,
                    std::size_t buffer_size);
  void fail(const StagedFile::Failure& failure);
  void quarantine();
  bool find();
  bool is_same(const journal::StoredRecord& record) const;

  Files& files_;
  journal::Journal& journal_;
  const FilerQueue::Waiting waiting_;
  StagedFile file_;
  State state_ = State::begun;
  std::string id_;
  journal::Copy copy_;            // as its record was read
  journal::RecordHeader header_;  // of that
  StagedFile::Failure failure_;
};

}  // namespace lsmtpd::json_spool
