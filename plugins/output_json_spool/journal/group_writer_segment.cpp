// SPDX-License-Identifier: Apache-2.0
// The segment that the next group goes to.
#include <algorithm>
#include <array>
#include <cerrno>

#include "journal/group_writer.hpp"
#include "journal/random.hpp"

namespace lsmtpd::journal {

// Room for a record of so many bytes, and for the removals that wait.
std::int64_t GroupWriter::ensure_room(std::uint64_t bytes) {
  {
    const std::lock_guard lock(state_.mutex);
    const std::uint64_t removals = state_.pending.size() * std::uint64_t{kRemoval};
    const std::uint64_t most = (files_.size() - kFirst) / 2;
    reserved_ = removals == 0 ? 0 : kRecordHeader + std::min(removals, most / kRemoval * kRemoval);
  }
  const std::uint64_t wanted = bytes + reserved_;
  if (wanted == 0 || (has_segment_ && end_ + wanted <= segment_.size)) return 0;
  if (bytes > 0 && wanted > files_.size() - kFirst) return -EFBIG;
  return roll();
}

// The former segment stays in use where there is no other.
std::int64_t GroupWriter::roll() {
  if (has_segment_ && durable_end_ < end_) {
    if (const int error = files_.files().sync_data(file_.get()); error < 0) return error;
    durable_end_ = end_;
  }
  std::uint32_t slot = 0;
  if (const std::int64_t error = find_free(slot); error < 0) return error;
  File file;
  SegmentHeader header;
  const std::int64_t error = open_segment(slot, file, header);
  {
    const std::lock_guard lock(state_.mutex);
    state_.segments.at(slot).busy = false;
    if (error < 0) return error;
    if (has_segment_) state_.segments.at(slot_).use = Segment::Use::full;
    state_.segments.begin_use(slot, header);
  }
  file_ = std::move(file);
  has_segment_ = true;
  slot_ = slot;
  segment_ = header;
  end_ = durable_end_ = kFirst;
  asked_ = false;
  changed_();
  return 0;
}

// Its header is flushed with the first group: until then nothing depends on it.
std::int64_t GroupWriter::open_segment(std::uint32_t slot, File& file, SegmentHeader& header) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(state_.mutex);
    number = state_.segments.at(slot).number;
    header.size = state_.segments.at(slot).header.size;
  }
  file = File(files_.files(), files_.open_to_write(number));
  if (!file) return file.get();
  header.sequence = ++sequence_;
  header.salt = random_number();
  std::array<char, kBlock> block;
  write_segment_header(header, block.data());
  return write_all(files_.files(), file.get(), 0, {block.data(), block.size()});
}

// A free segment, busy from here on; a new one where there is none.
std::int64_t GroupWriter::find_free(std::uint32_t& slot) {
  {
    const std::lock_guard lock(state_.mutex);
    if (const auto free = state_.segments.free_one()) {
      slot = *free;
      state_.segments.at(slot).busy = true;
      return 0;
    }
  }
  Segment segment;
  segment.use = Segment::Use::free;
  segment.number = next_number();
  segment.header.size = files_.size();
  segment.busy = true;
  if (const std::int64_t error = files_.create(segment.number, SegmentFiles::Disk::idle); error < 0)
    return error;
  const std::lock_guard lock(state_.mutex);
  slot = state_.segments.add(segment);
  return 0;
}

}  // namespace lsmtpd::journal
