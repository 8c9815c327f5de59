// SPDX-License-Identifier: Apache-2.0
// The room in the spool, for admission: free space and inodes, bytes used. Written by the committer
// (stored) and the keeper (the rest), read by every lane. All [any].
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "files.hpp"
#include "journal/state.hpp"
#include "spool_settings.hpp"

namespace lsmtpd::json_spool {

class Capacity {
 public:
  explicit Capacity(const Settings& settings);
  // Other limits: they count from the keeper's next look, max_bytes at once.
  void change(const Settings& settings);

  // False: the directory is not where its path says; nothing may be stored in it.
  bool in_place() const { return in_place_.load(std::memory_order_relaxed); }
  bool ready() const { return ready_.load(std::memory_order_relaxed); }
  std::string reason() const;

  // False: a message of this size would pass max_bytes.
  bool has_room(std::uint64_t bytes) const;
  void stored(std::uint64_t bytes) {
    used_ += static_cast<std::int64_t>(bytes);
    ++messages_;
  }
  void removed(std::uint64_t bytes) {
    used_ -= static_cast<std::int64_t>(bytes);
    --messages_;
  }

  // Observations of the keeper. Each returns the line to log if the admission changed.
  struct Change {
    bool ready;
    std::string reason;  // where not ready
  };
  std::optional<Change> saw_space(const FreeSpace& space);
  std::optional<Change> saw_error(std::int64_t error);   // free space cannot be determined
  std::optional<Change> saw_place(std::string problem);  // of the directory; empty: none
  std::optional<Change> saw_messages(std::uint64_t bytes);

  // Its messages wait for an output: the host asks for them.
  void serve_as_fallback() { is_fallback_.store(true, std::memory_order_relaxed); }
  bool is_fallback() const { return is_fallback_.load(std::memory_order_relaxed); }

  void saw_count(std::int64_t messages) { messages_ = messages; }
  // The journal knows its own numbers at any moment.
  void saw_journal(const journal::Totals& totals) {
    journal_bytes_ = static_cast<std::int64_t>(totals.waiting_bytes);
    journal_messages_ = static_cast<std::int64_t>(totals.waiting);
  }

  std::int64_t used() const { return used_ + journal_bytes_; }
  std::int64_t used_by_files() const { return used_; }
  // As of the last sweep, and what was stored and removed since.
  std::int64_t messages() const { return messages_ + journal_messages_; }
  std::int64_t files() const { return messages_; }
  bool counts_bytes() const { return max_bytes_ > 0; }
  std::int64_t max_age_ms() const { return max_age_ms_; }  // 0: no limit

 private:
  std::optional<Change> decide();

  std::atomic<std::uint64_t> min_free_, min_free_inodes_, max_bytes_;
  std::atomic<std::int64_t> max_age_ms_;
  std::atomic<bool> ready_{true};
  std::atomic<bool> in_place_{true};
  std::atomic<std::int64_t> used_{0};
  std::atomic<std::int64_t> messages_{0};
  std::atomic<std::int64_t> journal_bytes_{0};
  std::atomic<std::int64_t> journal_messages_{0};
  std::atomic<bool> is_fallback_{false};
  mutable std::mutex mutex_;
  std::string place_;  // each empty, or why nothing can be taken
  std::string space_;
  std::string bytes_;
  std::string reason_;  // the one of them that is shown
};

}  // namespace lsmtpd::json_spool
