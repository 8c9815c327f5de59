// SPDX-License-Identifier: Apache-2.0
// Copies that were sent and whose outcome is not known. Until each has been sent again nothing else
// goes to its output, so that a broker that detects duplicates still remembers them. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace lsmtpd::pipeline {

class InDoubt {
 public:
  void add_output(const std::string& output) {
    const std::lock_guard lock(mutex_);
    waiting_.try_emplace(output, 0);
  }

  // `copy_id` waits to be sent again to `output`; empty: to one that is not known yet, and each may
  // be meant.
  void add(const std::string& copy_id, const std::string& output) {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = copies_.try_emplace(copy_id, output);
    if (!is_new) {
      if (at->second == output || output.empty()) return;
      count(at->second, -1);
      at->second = output;
    }
    count(output, 1);
  }
  void remove(const std::string& copy_id) {
    const std::lock_guard lock(mutex_);
    const auto at = copies_.find(copy_id);
    if (at == copies_.end()) return;
    count(at->second, -1);
    copies_.erase(at);
  }
  bool contains(const std::string& copy_id) const {
    const std::lock_guard lock(mutex_);
    return copies_.contains(copy_id);
  }

  // The storage has not been listed since the start: anything in it may be in doubt.
  bool unlisted() const { return unlisted_; }
  void not_listed() { unlisted_ = true; }
  void listed() { unlisted_ = false; }

  bool any() const { return unlisted_ || any_ > 0; }
  // Something that may be `output`'s waits.
  bool any_for(const std::string& output) const {
    if (unlisted_ || unknown_ > 0) return true;
    if (any_ == 0) return false;
    const std::lock_guard lock(mutex_);
    const auto at = waiting_.find(output);
    return at != waiting_.end() && at->second > 0;
  }

 private:
  void count(const std::string& output, int by) {
    any_ += by;
    const auto at = waiting_.find(output);
    if (at == waiting_.end()) {
      unknown_ += by;
    } else {
      at->second += by;
    }
  }

  std::atomic<int> any_{0}, unknown_{0};
  std::atomic<bool> unlisted_{false};
  mutable std::mutex mutex_;
  std::map<std::string, int> waiting_;         // by output; guarded by mutex_
  std::map<std::string, std::string> copies_;  // copy_id, output; guarded by mutex_
};

}  // namespace lsmtpd::pipeline
