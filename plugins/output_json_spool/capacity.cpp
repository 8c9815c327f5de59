// SPDX-License-Identifier: Apache-2.0
#include "capacity.hpp"

namespace lsmtpd::json_spool {

Capacity::Capacity(const Settings& settings) {
  change(settings);
}

void Capacity::change(const Settings& settings) {
  min_free_ = settings.min_free;
  min_free_inodes_ = settings.min_free_inodes;
  max_bytes_ = settings.max_bytes;
  max_age_ms_ = settings.max_age_ms;
}

std::string Capacity::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

bool Capacity::has_room(std::uint64_t bytes) const {
  const std::uint64_t most = max_bytes_.load(std::memory_order_relaxed);
  if (most == 0) return true;
  return used() + static_cast<std::int64_t>(bytes) <= static_cast<std::int64_t>(most);
}

std::optional<Capacity::Change> Capacity::saw_space(const FreeSpace& space) {
  const std::lock_guard lock(mutex_);
  space_.clear();
  if (space.bytes < min_free_ || space.bytes == 0) {
    space_ = "free space is " + std::to_string(space.bytes) + " bytes, min_free is " +
             std::to_string(min_free_);
  } else if (space.counts_inodes && (space.inodes < min_free_inodes_ || space.inodes == 0)) {
    space_ = "free inodes are " + std::to_string(space.inodes) + ", min_free_inodes is " +
             std::to_string(min_free_inodes_);
  }
  bytes_.clear();
  if (!has_room(0)) {
    bytes_ = "the messages take " + std::to_string(used()) + " bytes, max_bytes is " +
             std::to_string(max_bytes_);
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

std::optional<Capacity::Change> Capacity::saw_messages(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ = static_cast<std::int64_t>(bytes);
  return decide();
}

std::optional<Capacity::Change> Capacity::decide() {
  const std::string& shown = !place_.empty() ? place_ : !space_.empty() ? space_ : bytes_;
  const bool was_ready = ready_.load();
  reason_ = shown;
  ready_ = reason_.empty();
  if (was_ready == ready_) return std::nullopt;
  return Change{ready_, reason_};
}

}  // namespace lsmtpd::json_spool
