// SPDX-License-Identifier: Apache-2.0
#include "handover.hpp"

#include <algorithm>

namespace lsmtpd::json_spool {

void Handover::begin(std::vector<journal::Key>& keys) {
  const std::lock_guard lock(mutex_);
  keys.erase(std::remove_if(keys.begin(), keys.end(),
                            [this](const journal::Key& key) { return held_.contains(key); }),
             keys.end());
  moving_.insert(keys.begin(), keys.end());
  ++version_;
}

void Handover::end() {
  {
    const std::lock_guard lock(mutex_);
    moving_.clear();
    ++version_;
  }
  changed_.notify_all();
}

bool Handover::wait(const std::function<bool()>& condition,
                    std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, until, condition);
}

void Handover::hold(const journal::Key& key) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !moving_.contains(key); });
  held_.insert(key);
}

void Handover::release(const journal::Key& key) {
  const std::lock_guard lock(mutex_);
  held_.erase(held_.find(key));
}

}  // namespace lsmtpd::json_spool
