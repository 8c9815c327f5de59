// SPDX-License-Identifier: Apache-2.0
// Threads that remove the files of messages which were given back, several at a time: unlink()
// waits for the disk where that discards what becomes free, and the keeper has others to load
// meanwhile. In no order.
// Order: start() [main], run() [any], stop() [main], which finishes the queue.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lsmtpd::json_spool {

class Remover {
 public:
  static constexpr int kThreads = 8;

  ~Remover() { stop(); }

  void start();
  void stop();
  // `job` runs on one of the threads; it must not throw.
  void run(std::function<void()> job);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lsmtpd::json_spool
