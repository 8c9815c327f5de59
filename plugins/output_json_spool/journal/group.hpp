// SPDX-License-Identifier: Apache-2.0
// The bytes of records that are written together. Order: begin(); records, one after the other;
// finish(). One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/format.hpp"

namespace lsmtpd::journal {

// Content that has a file of its own.
struct Body {
  std::uint64_t number = 0;  // its name
  std::uint32_t crc = 0;
};

class Group {
 public:
  struct Message {
    std::string_view id;
    std::string_view meta;  // the envelope
    std::uint64_t content_size = 0;
    std::optional<Body> body;  // none: the content follows
    std::int64_t time_ns = 0;
    bool dead = false;
    bool in_doubt = false;
  };

  // Bytes that a message takes, at most.
  static std::uint64_t room_for(const Message& message);

  // Records begin at `position`; what stands before it in the segment was flushed up to
  // `durable_end`.
  void begin(const SegmentHeader& segment, std::uint32_t position, std::uint32_t durable_end);

  // Opens a record; its content follows, piece by piece, then close(). Returns its position.
  std::uint32_t open(const Message& message);
  void content(std::string_view piece) { bytes_.append(piece); }
  // False: the content has another size than was said; the record is dropped.
  bool close();
  void drop();

  void removals(const std::vector<Removal>& removals);

  bool empty() const { return headers_.empty(); }
  // Bytes up to the segment's end.
  std::uint64_t room() const { return segment_.size - position_ - bytes_.size(); }
  std::uint64_t size() const { return bytes_.size(); }
  std::uint32_t position() const { return position_; }
  // Of the last record that was closed.
  std::uint32_t record_size() const;

  // All bytes, up to the end of a block.
  std::string_view finish();
  // Where the next group begins, after finish().
  std::uint32_t end() const { return position_ + static_cast<std::uint32_t>(bytes_.size()); }

 private:
  void close_record();

  SegmentHeader segment_;
  std::uint32_t position_ = 0;
  std::uint32_t durable_end_ = 0;
  std::string bytes_;
  std::vector<RecordHeader> headers_;
  std::uint64_t expected_ = 0;  // content of the record that is open
  std::size_t content_at_ = 0;
};

}  // namespace lsmtpd::journal
