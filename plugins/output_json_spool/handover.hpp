// SPDX-License-Identifier: Apache-2.0
// The moment at which copies go from the journal to their files. Whoever removes or changes a copy
// holds its key meanwhile, so that it finds the copy in one of the two places; whoever lists both
// places learns whether copies went over since. [any]
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "journal/index.hpp"

namespace lsmtpd::json_spool {

class Handover {
 public:
  // Keeps a copy from going over while it lives; waits while it goes. It may block on the disk.
  class Hold {
   public:
    Hold(Handover& handover, const journal::Key& key) : handover_(handover), key_(key) {
      handover_.hold(key_);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { handover_.release(key_); }

   private:
    Handover& handover_;
    const journal::Key key_;
  };

  // These go over, until end(), but for those that are held, which are taken out of `keys`.
  void begin(std::vector<journal::Key>& keys);
  void end();
  // Waits until it is so, or `until`; looks again after each end(). False: it is not.
  bool wait(const std::function<bool()>& condition, std::chrono::steady_clock::time_point until);

  // Odd while copies go over. One that changed, or is odd: a copy that a listing of files missed
  // may be gone from the journal by now.
  std::uint64_t version() const { return version_; }

 private:
  struct Hash {
    std::size_t operator()(const journal::Key& key) const { return key.first; }
  };

  void hold(const journal::Key& key);
  void release(const journal::Key& key);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<journal::Key, Hash> moving_;
  std::unordered_multiset<journal::Key, Hash> held_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace lsmtpd::json_spool
