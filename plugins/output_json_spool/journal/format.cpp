// SPDX-License-Identifier: Apache-2.0
#include "journal/format.hpp"

#include <algorithm>
#include <cstring>

#include "journal/crc32c.hpp"

namespace lsmtpd::journal {
namespace {

constexpr std::string_view kSegmentMagic = "LSMTPDJS";
constexpr std::string_view kRecordMagic = "LJRC";
constexpr std::size_t kCopy = 64;         // bytes of one copy of a segment's header
constexpr std::size_t kCopyChecked = 60;  // its checksum follows

constexpr unsigned kDead = 1, kInDoubt = 2, kApart = 4;

template <class Number>
void put(char* out, Number value) {
  for (std::size_t i = 0; i < sizeof(value); ++i)
    out[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i);
}

template <class Number>
Number get(const char* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << 8 * i;
  return static_cast<Number>(value);
}

bool copy_is_whole(std::string_view copy) {
  return copy.starts_with(kSegmentMagic) &&
         get<std::uint32_t>(copy.data() + kCopyChecked) == crc32c(copy.substr(0, kCopyChecked));
}

SegmentKind read_copy(std::string_view copy, SegmentHeader& header) {
  if (get<std::uint32_t>(copy.data() + 8) != kVersion) return SegmentKind::newer;
  header.size = get<std::uint32_t>(copy.data() + 12);
  header.sequence = get<std::uint64_t>(copy.data() + 16);
  header.salt = get<std::uint64_t>(copy.data() + 24);
  if (header.size < kSegmentMin || header.size > kSegmentMax || header.size % kBlock != 0)
    return SegmentKind::damaged;
  return header.sequence == 0 ? SegmentKind::free : SegmentKind::used;
}

}  // namespace

void put_u64(char* out, std::uint64_t value) {
  put(out, value);
}

std::uint64_t get_u64(const char* bytes) {
  return get<std::uint64_t>(bytes);
}

void write_segment_header(const SegmentHeader& header, char* block) {
  std::memset(block, 0, kBlock);
  std::memcpy(block, kSegmentMagic.data(), kSegmentMagic.size());
  put(block + 8, kVersion);
  put(block + 12, header.size);
  put(block + 16, header.sequence);
  put(block + 24, header.salt);
  put(block + kCopyChecked, crc32c({block, kCopyChecked}));
  std::memcpy(block + kHeaderCopy, block, kCopy);
}

// Where the copies differ, power was cut while the header changed from free to used or back, and at
// both moments the segment holds nothing that was acknowledged.
SegmentKind read_segment_header(std::string_view block, SegmentHeader& header) {
  bool any = false;
  SegmentKind kind = SegmentKind::damaged;
  for (const std::uint32_t place : {0u, kHeaderCopy}) {
    const std::string_view copy = block.substr(std::min<std::size_t>(place, block.size()), kCopy);
    if (copy.size() < kCopy || !copy_is_whole(copy)) continue;
    SegmentHeader read;
    const SegmentKind found = read_copy(copy, read);
    if (any && kind == SegmentKind::free) continue;
    kind = found;
    header = read;
    any = true;
  }
  if (any) return kind;
  const bool zero = std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
  return zero ? SegmentKind::blank : SegmentKind::damaged;
}

void write_record_header(const RecordHeader& header, char* out) {
  std::memcpy(out, kRecordMagic.data(), kRecordMagic.size());
  const unsigned flags =
      (header.dead ? kDead : 0u) | (header.in_doubt ? kInDoubt : 0u) | (header.apart ? kApart : 0u);
  put(out + 8, header.salt);
  put(out + 16, header.position);
  put(out + 20, header.group_end);
  put(out + 24, header.durable_end);
  put(out + 28, static_cast<std::uint8_t>(header.kind));
  put(out + 29, static_cast<std::uint8_t>(flags));
  put(out + 30, header.id_size);
  put(out + 32, header.meta_size);
  put(out + 36, header.body_crc);
  put(out + 40, header.content_size);
  put(out + 48, header.time_ns);
  put(out + 56, header.payload_crc);
  put(out + 60, header.payload_size);
  put(out + 4, crc32c({out + 8, kRecordHeader - 8}));
}

std::optional<RecordHeader> read_record_header(std::string_view bytes, const SegmentHeader& segment,
                                               std::uint64_t position) {
  if (bytes.size() < kRecordHeader || !bytes.starts_with(kRecordMagic)) return std::nullopt;
  const char* at = bytes.data();
  RecordHeader header;
  header.salt = get<std::uint64_t>(at + 8);
  header.position = get<std::uint32_t>(at + 16);
  if (header.salt != segment.salt || header.position != position) return std::nullopt;
  if (get<std::uint32_t>(at + 4) != crc32c({at + 8, kRecordHeader - 8})) return std::nullopt;
  header.group_end = get<std::uint32_t>(at + 20);
  header.durable_end = get<std::uint32_t>(at + 24);
  header.kind = static_cast<Kind>(get<std::uint8_t>(at + 28));
  const unsigned flags = get<std::uint8_t>(at + 29);
  header.dead = (flags & kDead) != 0;
  header.in_doubt = (flags & kInDoubt) != 0;
  header.apart = (flags & kApart) != 0;
  header.id_size = get<std::uint16_t>(at + 30);
  header.meta_size = get<std::uint32_t>(at + 32);
  header.body_crc = get<std::uint32_t>(at + 36);
  header.content_size = get<std::uint64_t>(at + 40);
  header.time_ns = get<std::int64_t>(at + 48);
  header.payload_crc = get<std::uint32_t>(at + 56);
  header.payload_size = get<std::uint32_t>(at + 60);

  // The checksum says that these were written so; this keeps a fault of the writer from spreading.
  const std::uint64_t end = header.end();
  if (end > segment.size || header.group_end < end || header.group_end > segment.size ||
      header.durable_end > position)
    return std::nullopt;
  if (header.kind == Kind::removals)
    return header.payload_size % kRemoval == 0 ? std::optional(header) : std::nullopt;
  const std::uint64_t rest = header.apart ? 8 : header.content_size;
  if (header.kind != Kind::message || header.content_size > std::uint64_t{1} << 48) return {};
  if (header.payload_size != std::uint64_t{header.id_size} + header.meta_size + rest) return {};
  return header;
}

void write_removal(const Removal& removal, char* out) {
  put(out, removal.sequence);
  put(out + 8, removal.position);
  put(out + 12, removal.from_here ? std::uint32_t{1} : std::uint32_t{0});
}

Removal read_removal(const char* bytes) {
  return {get<std::uint64_t>(bytes), get<std::uint32_t>(bytes + 8),
          get<std::uint32_t>(bytes + 12) == 1};
}

}  // namespace lsmtpd::journal
