// SPDX-License-Identifier: Apache-2.0
// Threads for work that would block a loop: the disk, and work that plugins offload.
//
// Each user of the pool has a queue of its own. The queues are served in turn, one piece of work
// each, and each queue has a limit of threads at a time: work that blocks for long delays only its
// own queue. Threads are started when there is work for them and end with the pool.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace lsmtpd::io {

class Pool {
 public:
  using Task = std::function<void()>;

  static constexpr uint32_t kDefaultThreads = 4;
  static constexpr size_t kLongestQueue = 10'000;

  // The queue of one user. Its destructor waits for the work that was put.
  class Queue {
   public:
    // At most `most_at_once` pieces of its work run at a time; 0: all threads of the pool but one.
    // At most `longest` pieces wait.
    explicit Queue(Pool& pool, uint32_t most_at_once = 0, size_t longest = kLongestQueue);
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Runs `work` and then `finish` on a thread of the pool; from `finish` on the queue may be
    // destroyed. False: the queue is full, and neither will run. [any]
    bool put(Task work, Task finish);

   private:
    friend class Pool;
    struct Job {
      Task work, finish;
    };
    bool ready() const { return !waiting_.empty() && running_ < most_at_once_; }

    Pool& pool_;
    const uint32_t most_at_once_;
    const size_t longest_;
    // Guarded by pool_.mutex_:
    std::deque<Job> waiting_;
    uint32_t running_ = 0;
    bool in_turn_ = false;  // it is in pool_.turns_
  };

  explicit Pool(uint32_t threads = kDefaultThreads) : most_threads_(threads ? threads : 1) {}
  ~Pool();  // runs the work that was put, and ends the threads
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  void run();
  void take_turn(Queue& queue);
  void start_thread();

  const uint32_t most_threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable queue_done_;
  // Guarded by mutex_:
  std::deque<Queue*> turns_;  // queues with work that may begin, in the order of their turns
  std::vector<std::thread> threads_;
  uint32_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace lsmtpd::io
