// SPDX-License-Identifier: Apache-2.0
#include "stall_watch.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::sink {

bool StallWatch::overdue(const Job& job) {
  overdue_.emplace(&job, host_.now_ms());
  if (std::exchange(stalled_, true)) return false;
  moved();
  arm(patience_);
  return true;
}

bool StallWatch::progress() {
  moved();
  return std::exchange(stalled_, false);
}

void StallWatch::reset() {
  stalled_ = false;
  timer_.cancel();
}

void StallWatch::arm(std::chrono::milliseconds pause) {
  timer_ = host_.timer(pause, [this] { check(); });
}

void StallWatch::check() {
  if (overdue_.empty()) return;
  const std::uint64_t now = host_.now_ms();
  const auto patience = static_cast<std::uint64_t>(patience_.count());
  const bool forgotten = std::any_of(overdue_.begin(), overdue_.end(), [&](const auto& entry) {
    return now - entry.second >= 10 * patience;
  });
  const std::uint64_t quiet = now - moved_at_;
  if (forgotten || quiet >= patience) return give_up_();
  arm(std::chrono::milliseconds(patience - quiet));
}

}  // namespace lsmtpd::sink
