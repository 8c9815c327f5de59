// SPDX-License-Identifier: Apache-2.0
#include "io/pool.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace lsmtpd::io {

Pool::Queue::Queue(Pool& pool, uint32_t most_at_once, size_t longest)
    : pool_(pool),
      most_at_once_(most_at_once ? most_at_once : std::max(1u, pool.most_threads_ - 1)),
      longest_(longest) {}

Pool::Queue::~Queue() {
  std::unique_lock lock(pool_.mutex_);
  pool_.queue_done_.wait(lock, [this] { return waiting_.empty() && running_ == 0; });
}

bool Pool::Queue::put(Task work, Task finish) {
  std::lock_guard lock(pool_.mutex_);
  if (waiting_.size() >= longest_) return false;
  waiting_.push_back({std::move(work), std::move(finish)});
  pool_.take_turn(*this);
  return true;
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Appends `queue` to the turns if it has work that may begin.
void Pool::take_turn(Queue& queue) {
  if (queue.in_turn_ || !queue.ready()) return;
  queue.in_turn_ = true;
  turns_.push_back(&queue);
  if (idle_ >= turns_.size()) {
    wake_.notify_one();
  } else if (threads_.size() < most_threads_) {
    start_thread();
  } else {
    wake_.notify_one();
  }
}

// Signals belong to the main thread's loop.
void Pool::start_thread() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  threads_.emplace_back([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return ending_ || !turns_.empty(); });
    --idle_;
    if (turns_.empty()) return;
    Queue& queue = *turns_.front();
    turns_.pop_front();
    queue.in_turn_ = false;
    Queue::Job job = std::move(queue.waiting_.front());
    queue.waiting_.pop_front();
    ++queue.running_;
    take_turn(queue);
    lock.unlock();
    job.work();
    job.work = nullptr;
    lock.lock();
    --queue.running_;
    take_turn(queue);
    if (queue.waiting_.empty() && queue.running_ == 0) queue_done_.notify_all();
    lock.unlock();
    job.finish();
    job.finish = nullptr;
    lock.lock();
  }
}

}  // namespace lsmtpd::io
