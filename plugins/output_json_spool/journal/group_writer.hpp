// SPDX-License-Identifier: Apache-2.0
// Group commit: a thread takes all that waits, writes it to the segment in use with one write and
// makes it durable with one flush, while the next group collects. It waits for no timer: where the
// disk is idle the first message begins a group. A failed flush is final: its messages are refused,
// a mark says that nothing behind that place counts, and the next group has another segment.
//
// Order: start() [main]; submit(), take_if() [any]; stop() [main], which finishes what is queued.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "journal/append.hpp"
#include "journal/segment_files.hpp"
#include "journal/state.hpp"

namespace lsmtpd::journal {

class GroupWriter {
 public:
  static constexpr std::size_t kGroupBytes = 2 * 1024 * 1024;
  static constexpr std::size_t kQueueMax = 16 * 1024;
  static constexpr std::size_t kUnflushedMax = 64 * 1024;  // removals

  struct Failure {
    const char* what = "";
    std::int64_t error = 0;
  };
  // `changed`: removals were written, or another segment is in use. `failed`: of each group that
  // failed. Both on the writer's thread.
  GroupWriter(SegmentFiles& files, State& state, std::function<void()> changed,
              std::function<void(const Failure&)> failed);
  ~GroupWriter() { stop(); }

  void start(std::uint64_t next_number, std::uint64_t last_sequence);
  void stop();

  // False: too much waits; `append` is unchanged. `always`: it comes from the journal itself.
  bool submit(std::unique_ptr<Append>& append, bool always = false);
  // Takes back the first that waits and is `wanted`; null: none does.
  std::unique_ptr<Append> take_if(const std::function<bool(const Append&)>& wanted);

  // A number for the file of another segment. [any]
  std::uint64_t next_number();

  std::uint64_t flushes() const { return flushes_; }
  // Removals are written and not flushed, or wait to be written.
  bool has_unflushed() const { return unflushed_; }

 private:
  using Batch = std::deque<std::unique_ptr<Append>>;

  void run();
  bool take(Batch& batch);
  void commit(Batch& batch);
  std::int64_t ensure_room(std::uint64_t bytes);
  std::int64_t roll();
  std::int64_t find_free(std::uint32_t& slot);
  std::int64_t open_segment(std::uint32_t slot, File& file, SegmentHeader& header);
  void collect(Batch& batch);
  void collect_removals();
  bool shares_key(const Append& append) const;
  std::int64_t write(Failure& failure);
  void settle();
  void give_up(const Failure& failure);
  void refuse(Batch& batch, std::int64_t error);

  SegmentFiles& files_;
  State& state_;
  const std::function<void()> changed_;
  const std::function<void(const Failure&)> failed_;

  std::mutex mutex_;
  std::condition_variable queued_;
  Batch queue_;
  bool stopping_ = false;
  std::thread thread_;
  std::atomic<std::uint64_t> next_number_{0};
  std::atomic<std::uint64_t> flushes_{0};
  std::atomic<bool> unflushed_{false};

  // The writer's thread only.
  std::uint64_t sequence_ = 0;
  bool has_segment_ = false;
  std::uint32_t slot_ = 0;
  SegmentHeader segment_;
  File file_;
  std::uint32_t end_ = 0;
  std::uint32_t durable_end_ = 0;
  bool asked_ = false;          // for the next segment
  std::uint64_t reserved_ = 0;  // bytes of the group for removals
  Group group_;
  Batch members_;  // of the group under way
  std::vector<Pending> removed_;
  std::vector<Pending> written_;  // removals that are written and not flushed
};

}  // namespace lsmtpd::journal
