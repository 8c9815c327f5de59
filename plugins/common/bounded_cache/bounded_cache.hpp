// SPDX-License-Identifier: Apache-2.0
// Values by key, each kept for its own time, in memory that is reserved of the host's budget and
// bounded; all workers share one. [any]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lsmtpd::bounded_cache {

// `Value` has cost_of(value) beside it, the bytes on the heap that it holds.
template <class Value>
class BoundedCache {
 public:
  // Reserves memory of `host` as it grows, up to `most` bytes. Where there is none left, or `most`
  // is reached, the entry that was not asked for longest makes room.
  BoundedCache(sdk::Host host, uint64_t most) : host_(host), most_(most) {}

  // The value, where it is kept still.
  std::optional<Value> find(const std::string& key, uint64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    const auto entry = found->second;
    if (entry->until_ms <= now_ms) {
      drop(entry);
      return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->value;
  }

  void put(const std::string& key, Value value, uint64_t until_ms) {
    const std::lock_guard lock(mutex_);
    if (const auto old = by_key_.find(key); old != by_key_.end()) drop(old->second);
    const uint64_t bytes = kNodes + key.size() + cost_of(value);
    if (!make_room(bytes)) return;
    used_ += bytes;
    entries_.push_front({key, std::move(value), until_ms, bytes});
    by_key_.emplace(entries_.front().key, entries_.begin());
  }

  uint64_t bytes() const {
    const std::lock_guard lock(mutex_);
    return used_;
  }

 private:
  static constexpr uint64_t kStep = 64 << 10;
  // A node of the list, one of the map and its bucket, with what malloc adds.
  static constexpr uint64_t kNodes = 256;
  struct Entry {
    std::string key;
    Value value;
    uint64_t until_ms;
    uint64_t bytes;
  };
  using Entries = std::list<Entry>;

  bool make_room(uint64_t bytes) {
    if (bytes > most_) return false;
    while (used_ + bytes > reserved_.size() * kStep || used_ + bytes > most_) {
      if (used_ + bytes <= most_) {
        if (auto more = host_.reserve(kStep)) {
          reserved_.push_back(std::move(more));
          continue;
        }
      }
      if (entries_.empty()) return false;
      drop(std::prev(entries_.end()));
    }
    return true;
  }
  void drop(typename Entries::iterator entry) {
    used_ -= entry->bytes;
    by_key_.erase(entry->key);
    entries_.erase(entry);
  }

  sdk::Host host_;
  const uint64_t most_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  Entries entries_;  // the one that was asked for last is the first
  std::unordered_map<std::string_view, typename Entries::iterator> by_key_;
  std::vector<sdk::Reservation> reserved_;  // kStep each
  uint64_t used_ = 0;
};

}  // namespace lsmtpd::bounded_cache
