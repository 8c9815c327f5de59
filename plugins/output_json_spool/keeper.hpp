// SPDX-License-Identifier: Apache-2.0
// A thread for replay's file operations, in the order of the requests, and for housekeeping in
// between, so that neither blocks a loop or delays a commit.
// Order: start() [main], run() [any], stop() [main], which finishes the queue.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "sweep.hpp"

namespace lsmtpd::json_spool {

class Keeper {
 public:
  explicit Keeper(Sweep& sweep) : sweep_(sweep) {}
  ~Keeper() { stop(); }

  void start();
  void stop();
  // `job` runs on the keeper's thread; it must not throw.
  void run(std::function<void()> job);

 private:
  void loop();

  Sweep& sweep_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lsmtpd::json_spool
