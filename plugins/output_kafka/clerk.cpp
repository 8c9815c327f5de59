// SPDX-License-Identifier: Apache-2.0
#include "clerk.hpp"

namespace lsmtpd::kafka {

Clerk::~Clerk() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Clerk::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Clerk::stop(const Token& token) {
  {
    const std::lock_guard lock(mutex_);
    token->store(true);
  }
  changed_.notify_all();
}

bool Clerk::rest(const Token& token, std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, pause, [&] { return token->load(); });
}

void Clerk::work() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return end_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace lsmtpd::kafka
