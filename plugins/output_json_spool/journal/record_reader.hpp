// SPDX-License-Identifier: Apache-2.0
// Reads one record of a segment, and its content. [any]; blocks on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "journal/segment_files.hpp"

namespace lsmtpd::journal {

struct StoredRecord {
  RecordHeader header;
  std::string id;
  std::string meta;
  std::string inline_content;  // unless it is apart
  std::uint64_t body = 0;
};

class RecordReader {
 public:
  enum class Found {
    yes,
    gone,        // the segment is free, or has another use
    damaged,     // its checksum is wrong
    unreadable,  // the disk failed, or descriptors are short: error()
  };
  using Sink = std::function<bool(std::string_view)>;  // false: stop

  explicit RecordReader(SegmentFiles& files) : files_(files) {}

  // `number`: of the segment's file.
  Found read(std::uint64_t number, const SegmentHeader& segment, std::uint32_t position,
             StoredRecord& record);
  // Gives the content of a record that was read. `gone`: its file is not there.
  Found content(const StoredRecord& record, const Sink& sink);

  std::int64_t error() const { return error_; }

 private:
  Found fail(std::int64_t error);

  SegmentFiles& files_;
  std::int64_t error_ = 0;
};

}  // namespace lsmtpd::journal
