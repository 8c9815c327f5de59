// SPDX-License-Identifier: Apache-2.0
// Finds the copies of a journal in its files: at a start, and for a reader beside a daemon. The
// segments are read from the newest to the oldest, so that a removal, or a newer copy of the same
// id, is known before the record that it ends. Once, on one thread; blocks on the disk.
#pragma once

#include <mail_json/stored.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "journal/scanner.hpp"
#include "journal/segment_files.hpp"
#include "journal/state.hpp"

namespace lsmtpd::journal {

class Recovery {
 public:
  // Bytes of a segment that are no record.
  struct Fault {
    std::uint64_t number = 0;  // of the segment's file
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool acknowledged = false;  // it was flushed once: damage; else the end that a crash tore
  };
  struct Result {
    std::uint64_t last_number = 0;  // of a segment's file
    std::uint64_t last_sequence = 0;
    std::vector<Fault> faults;
    std::vector<std::uint64_t> damaged_segments;  // without a header
    std::vector<std::uint64_t> unreadable;        // segments in which the disk failed
  };

  // `read_only`: changes nothing, and leaves the faults to the daemon.
  Recovery(SegmentFiles& files, State& state, bool read_only)
      : files_(files), state_(state), read_only_(read_only) {}

  // The error says which file stops it.
  mail_json::Result<Result> run();

 private:
  struct Message {
    RecordHeader header;
    Key key;
    std::uint64_t body = 0;
    bool torn = false;
  };

  mail_json::Result<void> list();
  mail_json::Result<void> add_segment(std::uint64_t number);
  bool scan(std::uint32_t slot, bool last);
  void take_removals(const Scanner::Record& record, std::uint32_t slot);
  void take_messages(const std::vector<Message>& messages, std::uint32_t slot);
  void note_faults(const Scanner& scanner, const std::vector<Message>& messages, std::uint32_t slot,
                   bool last);
  void set_aside(std::uint32_t slot);
  std::uint64_t body_of(mail_json::Input& input, const RecordHeader& header) const;
  void remove_orphans();
  bool is_removed(const Place& place) const;
  std::uint32_t seal_of(std::uint32_t slot) const;

  SegmentFiles& files_;
  State& state_;
  const bool read_only_;
  Result result_;
  std::vector<std::uint32_t> used_;            // slots
  std::set<std::uint64_t> bodies_;             // files; those with a record are taken out
  std::unordered_set<std::uint64_t> removed_;  // slot << 32 | position
  std::vector<std::uint32_t> seals_;           // by slot: from there on nothing counts
};

}  // namespace lsmtpd::journal
