// SPDX-License-Identifier: Apache-2.0
// The bytes of a segment: docs/spool-format.md. Numbers are little-endian. [any]
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lsmtpd::journal {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kBlock = 4096;         // a group begins at a multiple of it
inline constexpr std::uint32_t kFirst = kBlock;       // where records begin; the header is before
inline constexpr std::uint32_t kHeaderCopy = 512;     // place of the header's second copy
inline constexpr std::uint32_t kAlign = 8;            // a record begins at a multiple of it
inline constexpr std::uint32_t kRecordHeader = 64;    // bytes
inline constexpr std::uint32_t kRemoval = 16;         // bytes of one removal
inline constexpr std::uint32_t kInlineMax = 262'144;  // content above it has a file of its own
inline constexpr std::uint32_t kSegmentMin = 64 * 1024;
inline constexpr std::uint32_t kSegmentMax = 1u << 30;

template <class Number>
constexpr Number round_up(Number value, std::uint32_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct SegmentHeader {
  std::uint32_t size = 0;      // bytes of the file
  std::uint64_t sequence = 0;  // a segment written later has a greater one; 0: it is free
  std::uint64_t salt = 0;      // drawn for each use; each record has it
};

enum class SegmentKind {
  blank,    // all zero: it was never completed
  free,     // it has no records
  used,     //
  newer,    // of a version that this program does not know
  damaged,  // neither copy of the header is whole
};

// `block` has kBlock bytes.
void write_segment_header(const SegmentHeader& header, char* block);
SegmentKind read_segment_header(std::string_view block, SegmentHeader& header);

enum class Kind : std::uint8_t { message = 1, removals = 2 };

struct RecordHeader {
  std::uint64_t salt = 0;
  std::uint32_t position = 0;     // of the record in its segment
  std::uint32_t group_end = 0;    // of the last record that was written with it
  std::uint32_t durable_end = 0;  // everything before was flushed when this record was written
  Kind kind = Kind::message;
  bool dead = false;      // a dead letter
  bool in_doubt = false;  // sent, and the outcome is unknown
  bool apart = false;     // the content is a file of its own
  std::uint16_t id_size = 0;
  std::uint32_t meta_size = 0;
  std::uint32_t body_crc = 0;  // of content that is apart
  std::uint64_t content_size = 0;
  std::int64_t time_ns = 0;  // when it was first stored
  std::uint32_t payload_crc = 0;
  std::uint32_t payload_size = 0;  // bytes behind this header

  // Where the next record may begin.
  std::uint64_t end() const {
    return round_up<std::uint64_t>(std::uint64_t{position} + kRecordHeader + payload_size, kAlign);
  }
};

// `out` has kRecordHeader bytes.
void write_record_header(const RecordHeader& header, char* out);
// Nothing: there is no record of this segment at this position.
std::optional<RecordHeader> read_record_header(std::string_view bytes, const SegmentHeader& segment,
                                               std::uint64_t position);

// Ends the life of a record; with `from_here` that of all records from this place on, which were
// refused because their flush failed.
struct Removal {
  std::uint64_t sequence = 0;  // of the segment
  std::uint32_t position = 0;
  bool from_here = false;
};

void write_removal(const Removal& removal, char* out);
Removal read_removal(const char* bytes);

void put_u64(char* out, std::uint64_t value);
std::uint64_t get_u64(const char* bytes);

}  // namespace lsmtpd::journal
