// SPDX-License-Identifier: Apache-2.0
// A thread of a lane for the calls of librdkafka that block: making a handle (it reads certificates
// and starts threads), questions to the cluster, destroying a handle (it waits for threads, which
// may wait for DNS). Not on the host's pool, whose few threads are for disks.
//
// Jobs run one after the other and tell the loop by LaneHost::post(). run(), stop() and rest() from
// any thread; the destructor waits for the jobs that are left.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace lsmtpd::kafka {

class Clerk {
 public:
  // True: nobody wants the result any more. One for the jobs of each handle.
  using Token = std::shared_ptr<std::atomic<bool>>;
  static Token token() { return std::make_shared<std::atomic<bool>>(false); }

  Clerk() : thread_([this] { work(); }) {}
  ~Clerk();
  Clerk(const Clerk&) = delete;
  Clerk& operator=(const Clerk&) = delete;

  void run(std::function<void()> job);
  void stop(const Token& token);
  // For a job: waits; false: it was stopped.
  bool rest(const Token& token, std::chrono::milliseconds pause);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool end_ = false;                        // guarded by mutex_
  std::thread thread_;                      // the last: it uses the others
};

}  // namespace lsmtpd::kafka
