// SPDX-License-Identifier: Apache-2.0
// The copies in the journal that wait for their files, the oldest first. One that failed waits
// apart until it is tried again. Says how far the files are behind. [any]
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "journal/index.hpp"

namespace lsmtpd::json_spool {

class FilerQueue {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kBatch = 128;  // files, each with a descriptor
  static constexpr std::size_t kMost =
      32 * 1024;                               // copies that wait, before the journal pushes back
  static constexpr std::size_t kFailures = 3;  // in a row: it is not the message
  static constexpr std::chrono::milliseconds kPace{50};      // between batches that are not full
  static constexpr std::chrono::milliseconds kBehind{1000};  // before the journal pushes back
  static constexpr std::chrono::seconds kLongestPause{5};

  struct Waiting {
    journal::Key key;
    Clock::time_point since;  // when its message was stored
    std::uint32_t tries = 0;
    bool by_itself = false;  // it failed, and the others were not concerned
  };
  using Batch = std::vector<Waiting>;

  void add(const journal::Key& key);
  // Copies of an earlier run: not counted as behind.
  void add_older(const std::vector<journal::Key>& keys);

  // The next copies; waits for some. False: it is to end, and there are none, or the time is over.
  bool take(Batch& batch);
  // Of the batch that was taken: one has its file.
  void succeeded();
  // It is tried again later. `by_itself`: the others are not concerned.
  void failed(Waiting one, std::int64_t error, bool by_itself);
  // It is tried again at once.
  void again(Waiting one);

  // The batch that was taken is over. Where one of it succeeded, those that failed before are tried
  // again soon.
  void finished();

  // The next batch does not wait for others to join it.
  void hurry();
  // take() goes on until all is done, or something failed, or `until`.
  void stop(Clock::time_point until);

  // Every copy has its file.
  bool is_idle() const;
  bool has_older() const;
  // Since when the oldest waits for its file, those that failed too.
  std::chrono::milliseconds behind() const;
  // New messages are to wait.
  bool is_full() const;
  // New messages are to be refused: no file can be made. The error; 0: they are not.
  std::int64_t refuses() const;

 private:
  bool is_due(Clock::time_point now) const;
  bool is_over(Clock::time_point now) const;
  Clock::time_point next_look(Clock::time_point now) const;
  void take_failed(Batch& batch, Clock::time_point now);
  std::chrono::milliseconds age(bool with_failed) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::deque<Waiting> older_;
  std::multimap<Clock::time_point, Waiting> failed_;  // by the time when they are tried again
  std::size_t under_way_ = 0;                         // copies in the batch that was taken
  std::optional<Clock::time_point>
      under_way_since_;       // the oldest of them, without those that failed
  std::size_t failures_ = 0;  // messages, since one succeeded
  bool succeeded_ = false;    // one of the batch under way
  std::int64_t error_ = 0;    // the last one of these
  Clock::time_point failing_since_;
  Clock::time_point began_;       // the last batch
  Clock::duration batch_took_{};  // the mean of the last ones
  bool hurry_ = false;
  bool stopping_ = false;
  Clock::time_point until_;
};

}  // namespace lsmtpd::json_spool
