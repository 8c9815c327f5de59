// SPDX-License-Identifier: Apache-2.0
// Makes messages durable, many at a time: one committer a directory for all workers, with threads
// of its own. Lanes put messages into one queue; a thread takes queued messages as a group, writes
// the files, starts their write-back, syncs each, links each into place, syncs the directory once,
// and answers. While one group waits for the disk the next queues up, so groups grow with the load.
//
// Order: start() [main]; submit(), cancel() [any]; stop() [main], which finishes what is queued.
// The committer owns a job from submit() until its call is answered.
#pragma once

#include <lsmtpd/sdk/host.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "capacity.hpp"
#include "directory.hpp"
#include "files.hpp"
#include "log_lines/line_limit.hpp"
#include "staged_file.hpp"
#include "tally.hpp"

namespace lsmtpd::json_spool {

struct StoreJob {
  Tally::Ticket ticket;  // the first member is destroyed last: the lane stays open until then
  sdk::Call call;
  sdk::Message message;  // pinned
  std::string copy_id;
  Purpose purpose;
};

class Committer {
 public:
  static constexpr std::size_t kQueueMax = 16 * 1024;
  static constexpr std::size_t kGroupMin = 8;  // a thread may always take so many
  static constexpr std::size_t kGroupMax = 128;
  static constexpr std::uint64_t kGroupBytes = 8 * 1024 * 1024;
  static constexpr std::size_t kBuffer = 256 * 1024;

  Committer(Files& files, const Directory& directory, Capacity& capacity, const sdk::Host& host,
            bool extra, std::uint32_t threads);
  ~Committer() { stop(); }

  void start();
  void stop();
  // `stored` is told of each copy that is durable, before the host is. Before start().
  void tell(std::function<void(const std::string& id)> stored) { stored_ = std::move(stored); }
  void set_extra(bool extra) { extra_ = extra; }  // of messages that are written from now on
  // False: the queue is full, `job` is unchanged.
  bool submit(StoreJob& job);
  // Removes a job that is not begun and returns its call. An empty call: the job is begun or done.
  StoreJob cancel(const Tally& lane, lsmtpd_call call);

 private:
  using Group = std::vector<StoreJob>;

  void run();
  bool take(Group& group);
  void commit(Group& group, char* buffer);
  void write(Group& group, std::deque<StagedFile>& files, char* buffer);
  void publish(std::deque<StagedFile>& files);
  void answer(StoreJob& job, const StagedFile& file);
  void alarm(const StoreJob& job, const StagedFile::Failure& failure);

  Files& files_;
  const Directory& directory_;
  Capacity& capacity_;
  const sdk::Host host_;
  std::atomic<bool> extra_;
  const std::uint32_t thread_count_;
  std::function<void(const std::string& id)> stored_;
  log_lines::SharedLineLimit alarms_{3, 60'000};  // a failing disk fails each message

  std::mutex mutex_;
  std::condition_variable queued_;
  std::deque<StoreJob> queue_;
  std::size_t idle_ = 0;       // threads that wait
  std::size_t in_commit_ = 0;  // messages in groups under way
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lsmtpd::json_spool
