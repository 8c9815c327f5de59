// SPDX-License-Identifier: Apache-2.0
// Messages that an output which takes others refused for now while they were replayed: each waits
// on its own, and longer each time. [loop]
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/deadlines.hpp"

namespace lsmtpd::pipeline {

class TempfailedCopies {
 public:
  static constexpr uint64_t kFirstMs = 10'000, kLongestMs = 3'600'000;

  struct Entry {
    explicit Entry(std::function<void()> due) : deadline(std::move(due)) {}

    uint64_t pause_ms = 0;      // the last one
    uint64_t taken = 0;         // how many its output had taken when it refused this one
    uint32_t refusals = 1;      // each with another message taken since the one before
    std::string reason;         // why it did
    Deadlines::Entry deadline;  // armed: it waits
  };

  // `due` comes when one may be tried again.
  explicit TempfailedCopies(std::function<void()> due) : due_(std::move(due)) {}

  // `copy_id` was refused. Its pause doubles where its output took another message since the
  // refusal before: then it is the message that is not wanted. `taken`: how many the output took.
  void add(Deadlines& deadlines, const std::string& copy_id, uint64_t taken, std::string reason) {
    auto& entry = entries_[copy_id];
    if (!entry) {
      entry = std::make_unique<Entry>(due_);
      entry->pause_ms = kFirstMs;
    } else if (taken != entry->taken) {
      entry->pause_ms = std::min(entry->pause_ms * 2, kLongestMs);
      ++entry->refusals;
    }
    entry->taken = taken;
    entry->reason = std::move(reason);
    deadlines.arm(entry->deadline, entry->pause_ms);
  }
  void erase(const std::string& copy_id) { entries_.erase(copy_id); }
  void clear() { entries_.clear(); }

  const Entry* find(const std::string& copy_id) const {
    const auto found = entries_.find(copy_id);
    return found == entries_.end() ? nullptr : found->second.get();
  }
  bool waits(const std::string& copy_id) const {
    const Entry* entry = find(copy_id);
    return entry && entry->deadline.armed();
  }
  // How often `copy_id` was refused while its output took others, if it is refused now.
  uint32_t refusals(const std::string& copy_id, uint64_t taken) const {
    const Entry* entry = find(copy_id);
    return entry ? entry->refusals - (taken == entry->taken ? 1 : 0) : 0;
  }
  // It may be tried again now. True: it waited.
  bool end_pause(const std::string& copy_id) {
    const auto found = entries_.find(copy_id);
    if (found == entries_.end() || !found->second->deadline.armed()) return false;
    found->second->deadline.disarm();
    return true;
  }
  bool empty() const { return entries_.empty(); }
  // An operator's order: all may be tried again now.
  void end_pauses() {
    for (auto& [id, entry] : entries_) entry->deadline.disarm();
  }

 private:
  std::function<void()> due_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
};

}  // namespace lsmtpd::pipeline
