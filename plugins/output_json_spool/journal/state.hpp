// SPDX-License-Identifier: Apache-2.0
// What the threads of a journal share: its copies, its segments, and the removals that are not
// written yet.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "journal/index.hpp"
#include "journal/segments.hpp"

namespace lsmtpd::journal {

// A record that is to be removed, or (`from_here`) the place from which on a segment has none.
struct Pending {
  Place place;
  std::uint64_t sequence = 0;  // of its segment
  std::uint64_t body = 0;      // the file that goes with it; 0: none
  bool from_here = false;
};

struct Totals {
  std::uint64_t waiting = 0;
  std::uint64_t dead = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t body_bytes = 0;  // of all content in files of its own
};

class State {
 public:
  mutable std::mutex mutex;  // of everything here; every function needs it

  Index index;
  Segments segments;
  std::vector<Pending> pending;
  std::vector<std::uint64_t> orphans;  // content in files whose records are gone for good
  Totals totals;
  bool wants_segment = false;               // a quarter of the one in use is full
  std::vector<std::uint32_t> guards_moved;  // slots whose removals stand in `pending` again

  // A record is in its place for good. It replaces an older one of its key.
  void put(const Copy& copy, std::uint64_t body);
  // False: there is none.
  bool remove(const Key& key);
  // A record that was written for nothing: it never lived.
  void discard(const Place& place, std::uint64_t body);

  // One more record, or one less, may name a file of content; without any it is an orphan. 0: none.
  void hold_body(std::uint64_t body);
  void drop_body(std::uint64_t body);

 private:
  static std::uint64_t packed(const Place& place) {
    return std::uint64_t{place.slot} << 32 | place.position;
  }
  void count(const Copy& copy, bool add);
  void release(const Copy& copy);

  std::unordered_map<std::uint64_t, std::uint64_t> bodies_;  // packed place -> body
  std::unordered_map<std::uint64_t, std::uint32_t> body_holds_;
};

}  // namespace lsmtpd::journal
