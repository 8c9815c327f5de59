// SPDX-License-Identifier: Apache-2.0
#include "committer.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>

#include "test_hooks.hpp"
#include "threads.hpp"

namespace lsmtpd::json_spool {
namespace {

bool is_full(std::int64_t error) {
  return error == -ENOSPC || error == -EDQUOT;
}

}  // namespace

Committer::Committer(Files& files, const Directory& directory, Capacity& capacity,
                     const sdk::Host& host, bool extra, std::uint32_t threads)
    : files_(files),
      directory_(directory),
      capacity_(capacity),
      host_(host),
      extra_(extra),
      thread_count_(threads) {}

void Committer::start() {
  for (std::uint32_t i = 0; i < thread_count_; ++i) {
    threads_.push_back(quiet_thread("spool-commit", [this] { run(); }));
  }
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Committer::submit(StoreJob& job) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueueMax || stopping_) return false;
    queue_.push_back(std::move(job));
    wake = idle_ > 0;
  }
  if (wake) queued_.notify_one();
  return true;
}

StoreJob Committer::cancel(const Tally& lane, lsmtpd_call call) {
  const std::lock_guard lock(mutex_);
  for (auto job = queue_.begin(); job != queue_.end(); ++job) {
    if (job->call.id() != call || !job->ticket.of(lane)) continue;
    StoreJob taken = std::move(*job);
    queue_.erase(job);
    return taken;
  }
  return {};
}

void Committer::run() {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  Group group;
  group.reserve(kGroupMax);
  while (take(group)) {
    try {
      commit(group, buffer.get());
    } catch (const std::exception& error) {
      // Calls that were not answered answer "tempfail" in their destructor.
      host_.error("committing messages failed", {{"error", error.what()}});
      for (StoreJob& job : group) job = StoreJob();
    }
  }
}

// Takes this thread's part of the queue, so that threads overlap with groups of similar size. The
// group before is finished. False: the committer has stopped.
bool Committer::take(Group& group) {
  std::unique_lock lock(mutex_);
  in_commit_ -= group.size();
  group.clear();
  ++idle_;
  queued_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  --idle_;
  const std::size_t share = (queue_.size() + in_commit_) / thread_count_ + 1;
  const std::size_t most = std::clamp(share, kGroupMin, kGroupMax);
  std::uint64_t bytes = 0;
  while (!queue_.empty() && group.size() < most && bytes < kGroupBytes) {
    bytes += queue_.front().message.size();
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  in_commit_ += group.size();
  if (!queue_.empty() && idle_ > 0) queued_.notify_one();
  return !group.empty();
}

void Committer::commit(Group& group, char* buffer) {
  if (test_hook("LSMTPD_TEST_EARLY_250")) {
    for (StoreJob& job : group) job.call.stored("before it is");
  }
  std::deque<StagedFile> files;
  write(group, files, buffer);
  publish(files);
  for (std::size_t i = 0; i < group.size(); ++i) {
    answer(group[i], files[i]);
    group[i] = StoreJob();
  }
}

void Committer::write(Group& group, std::deque<StagedFile>& files, char* buffer) {
  for (const StoreJob& job : group) {
    StagedFile& file = files.emplace_back(files_, directory_);
    const bool written = file.write(job.message, job.copy_id, job.purpose, extra_, buffer, kBuffer);
    // A single file is synced at once; the write-backs of a group run together.
    if (written && group.size() > 1) file.flush_begin();
  }
  for (StagedFile& file : files) {
    if (file.failure().error == 0) file.flush_end();
  }
}

void Committer::publish(std::deque<StagedFile>& files) {
  bool any = false;
  for (StagedFile& file : files) {
    if (file.failure().error == 0) any = file.publish() || any;
  }
  if (!any) return;
  const int error = files_.make_names_durable(directory_.messages());
  if (error >= 0) return;
  for (StagedFile& file : files) {
    if (file.failure().error == 0) file.retract(error);
  }
}

void Committer::answer(StoreJob& job, const StagedFile& file) {
  const StagedFile::Failure& failure = file.failure();
  if (failure.error == 0) {
    capacity_.stored(file.size());
    if (const auto older = file.replaced_size()) capacity_.removed(*older);
    if (stored_) stored_(job.copy_id);
    return job.call.stored(directory_.path() + "/" + file.name());
  }
  if (failure.alarming()) alarm(job, failure);
  const std::string detail = std::string(failure.what) + ": " + error_text(failure.error);
  if (is_full(failure.error)) {
    return job.call.tempfail("Insufficient system storage", 452, "4.3.1", detail);
  }
  job.call.tempfail({}, 0, {}, detail);
}

void Committer::alarm(const StoreJob& job, const StagedFile::Failure& failure) {
  const auto left_out = alarms_.admit();
  if (!left_out) return;
  host_.error("the disk failed: the message was refused; check the disk and the directory",
              {{"id", job.copy_id},
               {"directory", directory_.path()},
               {"what", failure.what},
               {"error", error_text(failure.error)},
               {"left_out", *left_out}});
}

}  // namespace lsmtpd::json_spool
