// SPDX-License-Identifier: Apache-2.0
#include "remover.hpp"

#include "threads.hpp"

namespace lsmtpd::json_spool {

void Remover::start() {
  for (int i = 0; i < kThreads; ++i)
    threads_.push_back(quiet_thread("spool-remover", [this] { loop(); }));
}

void Remover::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Remover::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Remover::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace lsmtpd::json_spool
