// SPDX-License-Identifier: Apache-2.0
// Keeps the journal small, on a thread of its own: frees segments in which nothing lives, moves
// what lives out of those that are mostly dead, prepares the next segment before it is needed, and
// removes files of content whose records are gone. It sleeps until wake().
//
// A segment is moved only where it is at most two thirds alive, so at most two bytes are copied for
// each one that was removed. As long as the files take more than twice what lives, and one segment,
// there is such a segment where three are full. Where fewer are, two segments are left beyond twice
// what lives: the one in use, and the next one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "journal/group_writer.hpp"
#include "journal/record_reader.hpp"

namespace lsmtpd::journal {

class Cleaner {
 public:
  // `damaged`: a record that could not be moved since its checksum is wrong; true: it is kept
  // elsewhere by now, and may go.
  using Damaged = std::function<bool(std::uint64_t number, std::uint32_t from, std::uint32_t to)>;

  Cleaner(SegmentFiles& files, State& state, GroupWriter& writer, Damaged damaged)
      : files_(files), state_(state), writer_(writer), damaged_(std::move(damaged)) {}
  ~Cleaner() { stop(); }

  void start();  // [main]
  void stop();   // [main], before the writer's
  void wake();   // [any]
  // After stop() and the writer's: frees all segments of a journal without copies, in an order that
  // brings none back. False: one could not be freed.
  bool free_all();

 private:
  void loop();
  bool step();
  bool exceeds(std::uint32_t segments) const;
  std::optional<std::uint32_t> next_to_move() const;
  bool free_segment();
  bool remove_surplus();
  bool prepare();
  bool move_one();
  void remove_bodies();
  bool move(std::uint32_t slot);
  bool move_copies(std::uint32_t slot);
  bool move_guards(std::uint32_t slot);
  bool flush();
  bool stopping();

  SegmentFiles& files_;
  State& state_;
  GroupWriter& writer_;
  const Damaged damaged_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lsmtpd::journal
