// SPDX-License-Identifier: Apache-2.0
#include "gate.hpp"

#include <utility>
#include <vector>

namespace auth_file {

bool Gate::enter(const void* owner, Start start) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (running_ >= most_) {
      if (queue_.size() >= kQueue) return false;
      queue_.push_back({owner, std::move(start)});
      return true;
    }
    ++running_;
  }
  start();
  return true;
}

void Gate::leave() {
  Start next;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.empty()) {
      --running_;
      return;
    }
    next = std::move(queue_.front().start);
    queue_.pop_front();
  }
  next();
}

void Gate::forget(const void* owner) {
  std::vector<Start> dropped;  // outside the lock: their ends may be anything
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto each = queue_.begin(); each != queue_.end();) {
    if (each->owner != owner) {
      ++each;
      continue;
    }
    dropped.push_back(std::move(each->start));
    each = queue_.erase(each);
  }
}

}  // namespace auth_file
