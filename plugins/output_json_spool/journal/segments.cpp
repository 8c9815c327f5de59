// SPDX-License-Identifier: Apache-2.0
#include "journal/segments.hpp"

#include <algorithm>

namespace lsmtpd::journal {

std::uint64_t Segment::needed() const {
  std::uint64_t bytes = live_bytes;
  for (const auto& [slot, count] : guards) bytes += std::uint64_t{count} * kRemoval;
  return bytes;
}

std::uint32_t Segments::add(const Segment& segment) {
  std::uint32_t slot = 0;
  while (slot < slots_.size() && slots_[slot].use != Segment::Use::none) ++slot;
  if (slot == slots_.size()) slots_.emplace_back();
  slots_[slot] = segment;
  if (segment.has_records()) by_sequence_[segment.header.sequence] = slot;
  return slot;
}

std::optional<std::uint32_t> Segments::find(std::uint64_t sequence) const {
  const auto found = by_sequence_.find(sequence);
  return found == by_sequence_.end() ? std::nullopt : std::optional(found->second);
}

void Segments::born(const Place& place, std::uint32_t bytes) {
  Segment& segment = slots_[place.slot];
  ++segment.live;
  segment.live_bytes += bytes;
}

void Segments::died(const Place& place, std::uint32_t bytes) {
  Segment& segment = slots_[place.slot];
  --segment.live;
  segment.live_bytes -= bytes;
}

void Segments::guard(std::uint32_t from, std::uint32_t slot, std::uint32_t count) {
  if (from != slot) slots_[from].guards[slot] += count;
}

std::optional<std::uint32_t> Segments::can_be_freed() const {
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    const Segment& segment = slots_[slot];
    if (segment.use == Segment::Use::full && segment.live == 0 && segment.guards.empty() &&
        !segment.busy)
      return slot;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Segments::free_one() const {
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot)
    if (slots_[slot].use == Segment::Use::free && !slots_[slot].busy) return slot;
  return std::nullopt;
}

void Segments::freed(std::uint32_t slot, bool kept) {
  by_sequence_.erase(slots_[slot].header.sequence);
  for (Segment& other : slots_) other.guards.erase(slot);
  Segment empty;
  if (kept) {
    empty.use = Segment::Use::free;
    empty.number = slots_[slot].number;
    empty.header.size = slots_[slot].header.size;
  }
  slots_[slot] = empty;
}

void Segments::begin_use(std::uint32_t slot, const SegmentHeader& header) {
  slots_[slot].use = Segment::Use::active;
  slots_[slot].header = header;
  by_sequence_[header.sequence] = slot;
}

std::uint64_t Segments::bytes() const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : slots_)
    if (segment.use != Segment::Use::none) bytes += segment.header.size;
  return bytes;
}

std::uint64_t Segments::live_bytes() const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : slots_) bytes += segment.needed();
  return bytes;
}

std::uint32_t Segments::count(Segment::Use use) const {
  return static_cast<std::uint32_t>(std::count_if(
      slots_.begin(), slots_.end(), [&](const Segment& segment) { return segment.use == use; }));
}

std::optional<std::uint32_t> Segments::emptiest() const {
  std::optional<std::uint32_t> found;
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    const Segment& segment = slots_[slot];
    if (segment.use != Segment::Use::full || segment.busy) continue;
    if (segment.needed() * 3 > std::uint64_t{segment.header.size} * 2) continue;
    if (!found || segment.needed() < slots_[*found].needed()) found = slot;
  }
  return found;
}

}  // namespace lsmtpd::journal
