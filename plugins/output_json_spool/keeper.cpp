// SPDX-License-Identifier: Apache-2.0
#include "keeper.hpp"

#include <chrono>

#include "threads.hpp"

namespace lsmtpd::json_spool {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Keeper::start() {
  thread_ = quiet_thread("spool-keeper", [this] { loop(); });
}

void Keeper::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Keeper::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Keeper::loop() {
  std::int64_t due = now_ms();
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto until = Clock::time_point(std::chrono::milliseconds(due));
    changed_.wait_until(lock, until, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_ && jobs_.empty()) return;
    std::function<void()> job;
    if (!jobs_.empty()) {
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    lock.unlock();
    if (job) job();
    const std::int64_t now = now_ms();
    if (now >= due) due = now + sweep_.turn(now);
    lock.lock();
  }
}

}  // namespace lsmtpd::json_spool
