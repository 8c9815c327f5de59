// SPDX-License-Identifier: Apache-2.0
#include "journal/scanner.hpp"

#include <algorithm>

#include "journal/crc32c.hpp"

namespace lsmtpd::journal {

// Bytes of the segment; fewer than `size` at its end, or where it cannot be read.
std::string_view Scanner::view(std::uint64_t position, std::size_t size) {
  if (position >= segment_.size) return {};
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, segment_.size - position));
  if (position < window_at_ || position + size > window_at_ + window_size_) {
    const std::size_t wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max(size, kWindow), segment_.size - position));
    if (wanted > capacity_) {
      window_ = std::make_unique_for_overwrite<char[]>(wanted);
      capacity_ = wanted;
    }
    window_at_ = position;
    window_size_ = 0;
    while (window_size_ < wanted) {
      const std::int64_t got = input_.read_at(position + window_size_, window_.get() + window_size_,
                                              wanted - window_size_);
      unreadable_ = unreadable_ || got < 0;
      if (got <= 0) break;
      window_size_ += static_cast<std::size_t>(got);
    }
  }
  const auto offset = static_cast<std::size_t>(position - window_at_);
  return {window_.get() + offset, std::min(size, window_size_ - offset)};
}

std::optional<RecordHeader> Scanner::header_at(std::uint64_t position) {
  return read_record_header(view(position, kRecordHeader), segment_, position);
}

// The salt is secret and each header has a checksum: the content of a mail cannot look like a
// record.
std::optional<RecordHeader> Scanner::search(std::uint64_t position) {
  while (position + kRecordHeader <= segment_.size) {
    if (view(position, kRecordHeader).size() < kRecordHeader) {  // it cannot be read
      position = round_up<std::uint64_t>(position + 1, kBlock);
      continue;
    }
    if (const auto header = header_at(position)) return header;
    position += kAlign;
  }
  return std::nullopt;
}

std::optional<Scanner::Record> Scanner::next() {
  auto header = header_at(at_);
  if (!header) {
    header = search(at_);
    if (!header) return std::nullopt;
    if (header->position > at_) gaps_.push_back({at_, header->position});
  }
  end_ = static_cast<std::uint32_t>(header->end());
  durable_end_ = std::max(durable_end_, header->durable_end);
  at_ = end_ >= header->group_end ? round_up(end_, kBlock) : end_;
  return take(*header);
}

Scanner::Record Scanner::take(const RecordHeader& header) {
  Record record{header, {}, {}, false};
  const std::uint64_t payload = std::uint64_t{header.position} + kRecordHeader;
  const bool all = check_all_ || header.kind == Kind::removals;
  const std::size_t wanted = all ? header.payload_size : header.id_size;
  const std::string_view bytes = view(payload, wanted);
  if (bytes.size() < wanted || (all && crc32c(bytes) != header.payload_crc)) {
    record.torn = true;
    return record;
  }
  if (all) record.payload = bytes;
  record.id = bytes.substr(0, header.id_size);
  return record;
}

}  // namespace lsmtpd::journal
