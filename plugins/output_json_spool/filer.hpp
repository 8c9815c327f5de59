// SPDX-License-Identifier: Apache-2.0
// Makes the files of layout = "files" from the journal, behind the 250: a thread takes the copies
// that became durable, writes a batch of files, flushes them together, gives them their names,
// syncs the directory, and only then removes the copies from the journal. A start makes the files
// of all copies whose removal is not durable, so a crash at any moment loses none, and may make a
// file again.
//
// Order: start() [main]; the rest [any]; stop() [main], once no lane is open.
#pragma once

#include <lsmtpd/sdk/host.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "capacity.hpp"
#include "directory.hpp"
#include "filed_message.hpp"
#include "filer_queue.hpp"
#include "files.hpp"
#include "handover.hpp"
#include "journal/journal.hpp"
#include "log_lines/line_limit.hpp"
#include "pushback.hpp"

namespace lsmtpd::json_spool {

class Filer {
 public:
  Filer(Files& files, const Directory& directory, journal::Journal& journal, Capacity& capacity,
        const sdk::Host& host, bool extra);
  ~Filer() { stop(); }

  void start();
  // Makes the files that are missing, for some seconds; the next start makes the rest.
  void stop();
  void set_extra(bool extra) { extra_ = extra; }  // of files that are made from now on

  // A copy that waits is durable in the journal.
  void add(const journal::Key& key) { queue_.add(key); }
  Pushback& pushback() { return pushback_; }
  Handover& handover() { return handover_; }
  // No file can be made at present: the error; 0: they can.
  std::int64_t refuses() const { return queue_.refuses(); }
  // Waits until the copy is out of the journal, a few seconds at most. False: it is not. Blocks.
  bool settle(const journal::Key& key);
  bool is_idle() const { return queue_.is_idle(); }
  // Publishes how far the files are behind.
  void tell_metrics() const;

 private:
  using Messages = std::deque<FiledMessage>;

  void run();
  void add_older();
  void make(const FilerQueue::Batch& batch);
  void write(const FilerQueue::Batch& batch, Messages& messages);
  void flush(Messages& messages);
  void flush_each(Messages& messages);
  void publish(Messages& messages);
  void hand_over(Messages& messages, const std::vector<journal::Key>& keys);
  void answer(const FiledMessage& message);
  void alarm(const FiledMessage& message);

  Files& files_;
  const Directory& directory_;
  journal::Journal& journal_;
  Capacity& capacity_;
  const sdk::Host host_;
  std::atomic<bool> extra_;
  log_lines::SharedLineLimit alarms_{3, 60'000};  // a failing disk fails each message
  const sdk::Gauge behind_;
  const sdk::Counter delayed_;

  FilerQueue queue_;
  Handover handover_;
  Pushback pushback_;
  std::thread thread_;

  // The thread's.
  std::unique_ptr<char[]> buffer_;
  std::optional<journal::Copy> older_;  // the last copy of an earlier run that was queued
  std::int64_t started_ns_ = 0;
  bool all_older_ = false;
  FilerQueue::Clock::time_point each_until_;  // until then files are flushed one by one
};

}  // namespace lsmtpd::json_spool
