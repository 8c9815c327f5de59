// SPDX-License-Identifier: Apache-2.0
// The outputs that an operator holds: new mail for one goes to its fallback, or is refused for now,
// and nothing is replayed to it. By the name of [plugin.NAME], so that a hold outlives a reload and
// a restart. [any]
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

namespace lsmtpd::plugin {

inline constexpr const char* kHeldReason = "held by an operator (lsmtpd ctl release)";

class Holds {
 public:
  bool contains(const std::string& output) const {
    if (!any_.load(std::memory_order_relaxed)) return false;
    const std::lock_guard lock(mutex_);
    return outputs_.contains(output);
  }
  void set(const std::string& output, bool held) {
    const std::lock_guard lock(mutex_);
    if (held) {
      outputs_.insert(output);
    } else {
      outputs_.erase(output);
    }
    any_ = !outputs_.empty();
  }

 private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  std::set<std::string> outputs_;  // guarded by mutex_
};

}  // namespace lsmtpd::plugin
