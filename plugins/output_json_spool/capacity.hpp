// SPDX-License-Identifier: Apache-2.0
// The room in the spool, for admission: free space and inodes, bytes used, age of the oldest
// message that waits. Written by the committer (stored) and the keeper (the rest), read by every
// lane. All [any].
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "files.hpp"
#include "settings.hpp"

namespace lsmtpd::json_spool {

class Capacity {
 public:
  explicit Capacity(const Settings& settings);

  // False: the directory is not where its path says; nothing may be stored in it.
  bool in_place() const { return in_place_.load(std::memory_order_relaxed); }
  bool ready() const { return ready_.load(std::memory_order_relaxed); }
  std::string reason() const;

  // False: a message of this size would pass max_bytes.
  bool has_room(std::uint64_t bytes) const;
  void stored(std::uint64_t bytes) { used_ += static_cast<std::int64_t>(bytes); }
  void removed(std::uint64_t bytes) { used_ -= static_cast<std::int64_t>(bytes); }

  // Observations of the keeper. Each returns the line to log if the admission changed.
  struct Change {
    bool ready;
    std::string reason;  // where not ready
  };
  std::optional<Change> saw_space(const FreeSpace& space);
  std::optional<Change> saw_error(std::int64_t error);   // free space cannot be determined
  std::optional<Change> saw_place(std::string problem);  // of the directory; empty: none
  std::optional<Change> saw_messages(std::uint64_t bytes, std::int64_t oldest_age_ms);

  std::int64_t used() const { return used_.load(); }
  bool counts_bytes() const { return settings_.max_bytes > 0; }
  bool counts_age() const { return settings_.max_age_ms > 0; }

 private:
  std::optional<Change> decide();

  const Settings settings_;
  std::atomic<bool> ready_{true};
  std::atomic<bool> in_place_{true};
  std::atomic<std::int64_t> used_{0};
  mutable std::mutex mutex_;
  std::string place_;  // each empty, or why nothing can be taken
  std::string space_;
  std::string bytes_;
  std::string age_;
  std::string reason_;  // the one of them that is shown
};

}  // namespace lsmtpd::json_spool
