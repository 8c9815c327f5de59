// SPDX-License-Identifier: Apache-2.0
#include "capacity.hpp"

namespace lsmtpd::json_spool {

Capacity::Capacity(const Settings& settings) : settings_(settings) {}

std::string Capacity::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

bool Capacity::has_room(std::uint64_t bytes) const {
  if (settings_.max_bytes == 0) return true;
  return used_.load(std::memory_order_relaxed) + static_cast<std::int64_t>(bytes) <=
         static_cast<std::int64_t>(settings_.max_bytes);
}

std::optional<Capacity::Change> Capacity::saw_space(const FreeSpace& space) {
  const std::lock_guard lock(mutex_);
  space_.clear();
  if (space.bytes < settings_.min_free || space.bytes == 0) {
    space_ = "free space is " + std::to_string(space.bytes) + " bytes, min_free is " +
             std::to_string(settings_.min_free);
  } else if (space.counts_inodes &&
             (space.inodes < settings_.min_free_inodes || space.inodes == 0)) {
    space_ = "free inodes are " + std::to_string(space.inodes) + ", min_free_inodes is " +
             std::to_string(settings_.min_free_inodes);
  }
  bytes_.clear();
  if (!has_room(0)) {
    bytes_ = "the messages take " + std::to_string(used()) + " bytes, max_bytes is " +
             std::to_string(settings_.max_bytes);
  }
  return decide();
}

std::optional<Capacity::Change> Capacity::saw_error(std::int64_t error) {
  const std::lock_guard lock(mutex_);
  space_ = "cannot look at the free space: " + error_text(error);
  return decide();
}

std::optional<Capacity::Change> Capacity::saw_place(std::string problem) {
  const std::lock_guard lock(mutex_);
  place_ = std::move(problem);
  in_place_ = place_.empty();
  return decide();
}

std::optional<Capacity::Change> Capacity::saw_messages(std::uint64_t bytes,
                                                       std::int64_t oldest_age_ms) {
  const std::lock_guard lock(mutex_);
  used_ = static_cast<std::int64_t>(bytes);
  age_.clear();
  if (counts_age() && oldest_age_ms > settings_.max_age_ms) {
    age_ = "the oldest message waits for " + std::to_string(oldest_age_ms / 1000) +
           " seconds, max_age is " + std::to_string(settings_.max_age_ms / 1000) +
           ": see why the output it waits for does not take it";
  }
  return decide();
}

std::optional<Capacity::Change> Capacity::decide() {
  const std::string& shown = !place_.empty()   ? place_
                             : !space_.empty() ? space_
                             : !bytes_.empty() ? bytes_
                                               : age_;
  const bool was_ready = ready_.load();
  reason_ = shown;
  ready_ = reason_.empty();
  if (was_ready == ready_) return std::nullopt;
  return Change{ready_, reason_};
}

}  // namespace lsmtpd::json_spool
