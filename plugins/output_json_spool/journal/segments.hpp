// SPDX-License-Identifier: Apache-2.0
// The table of a journal's segments: the bytes in each that live, and which must stay because
// removals in them still keep records of other segments from coming back. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "journal/format.hpp"
#include "journal/index.hpp"

namespace lsmtpd::journal {

struct Segment {
  enum class Use {
    none,  // this slot has no segment
    free,
    active,
    full,
    set_aside,  // the disk failed in it: it stays as it is
  };

  Use use = Use::none;
  std::uint64_t number = 0;  // of its file
  SegmentHeader header;
  std::uint64_t live_bytes = 0;
  std::uint32_t live = 0;                         // copies
  bool busy = false;                              // a thread changes its file, or is about to
  std::map<std::uint32_t, std::uint32_t> guards;  // slot -> removals here for records there

  bool has_records() const {
    return use == Use::active || use == Use::full || use == Use::set_aside;
  }
  std::uint64_t needed() const;  // bytes that a move of all that lives would write
};

class Segments {
 public:
  std::uint32_t add(const Segment& segment);
  Segment& at(std::uint32_t slot) { return slots_[slot]; }
  const Segment& at(std::uint32_t slot) const { return slots_[slot]; }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_.size()); }
  // The slot of the segment with records that has this sequence.
  std::optional<std::uint32_t> find(std::uint64_t sequence) const;

  void born(const Place& place, std::uint32_t bytes);
  void died(const Place& place, std::uint32_t bytes);
  // Removals in one segment name records of another.
  void guard(std::uint32_t from, std::uint32_t slot, std::uint32_t count);

  // Empty and without guards: its records may vanish.
  std::optional<std::uint32_t> can_be_freed() const;
  std::optional<std::uint32_t> free_one() const;
  // It has no records any more; `kept`: its file is there for another use.
  void freed(std::uint32_t slot, bool kept);
  void begin_use(std::uint32_t slot, const SegmentHeader& header);

  std::uint64_t bytes() const;       // of all files
  std::uint64_t live_bytes() const;  // that a move of everything would write
  std::uint32_t count(Segment::Use use) const;
  // The full segment with the smallest part that lives; nothing: none is at most two thirds alive.
  std::optional<std::uint32_t> emptiest() const;

 private:
  std::vector<Segment> slots_;
  std::map<std::uint64_t, std::uint32_t> by_sequence_;
};

}  // namespace lsmtpd::journal
