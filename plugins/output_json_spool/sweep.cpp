// SPDX-License-Identifier: Apache-2.0
#include "sweep.hpp"

#include <algorithm>

#include "file_names.hpp"

namespace lsmtpd::json_spool {

Sweep::Sweep(Files& files, const Directory& directory, Capacity& capacity, Log log)
    : files_(files), directory_(directory), capacity_(capacity), log_(std::move(log)) {}

std::int64_t Sweep::turn(std::int64_t now_ms) {
  if (now_ms >= space_due_) {
    look_at_place();
    look_at_space();
    space_due_ = now_ms + kSpaceMs;
  }
  const bool sweeps = capacity_.counts_bytes() || (watch_age_ && capacity_.counts_age());
  if (!sweeps) return space_due_ - now_ms;
  if (now_ms >= step_due_) step(now_ms);
  return std::max<std::int64_t>(0, std::min(space_due_, step_due_) - now_ms);
}

void Sweep::look_at_place() {
  if (const auto change = capacity_.saw_place(directory_.misplaced(files_))) log_(*change);
}

void Sweep::look_at_space() {
  FreeSpace space;
  const int error = files_.free_space(directory_.messages(), space);
  const auto change = error < 0 ? capacity_.saw_error(error) : capacity_.saw_space(space);
  if (change) log_(*change);
}

void Sweep::begin(std::int64_t now_ms) {
  listing_ = files_.list(directory_.messages());
  began_ms_ = now_ms;
  began_ns_ = files_.now_ns();
  used_before_ = capacity_.used();
  bytes_ = 0;
  oldest_ns_ = 0;
}

void Sweep::step(std::int64_t now_ms) {
  step_due_ = now_ms + kStepMs;
  if (!listing_) begin(now_ms);
  std::string name;
  for (std::size_t i = 0; listing_ && i < kStep; ++i) {
    if (!listing_->next(name)) return finish(now_ms);
    if (!id_of(name)) continue;
    FileInfo info;
    if (files_.info_in(directory_.messages(), name.c_str(), info) < 0 || !info.regular) continue;
    if (oldest_ns_ == 0 || info.changed_ns < oldest_ns_) oldest_ns_ = info.changed_ns;
    // Files stored during the sweep are counted already. A file with a time in the future is from
    // before the clock was set back.
    if (info.changed_ns < began_ns_ || info.changed_ns > files_.now_ns()) bytes_ += info.size;
  }
}

void Sweep::finish(std::int64_t now_ms) {
  listing_.reset();
  const std::int64_t since = capacity_.used() - used_before_;
  const std::int64_t bytes = std::max<std::int64_t>(0, static_cast<std::int64_t>(bytes_) + since);
  std::int64_t age_ms = 0;
  if (watch_age_ && oldest_ns_ != 0) age_ms = (files_.now_ns() - oldest_ns_) / 1'000'000;
  const auto change = capacity_.saw_messages(static_cast<std::uint64_t>(bytes), age_ms);
  if (change) log_(*change);
  // At most a twentieth of one core; more where clients wait for the end of the sweep.
  const std::int64_t pause = capacity_.ready() ? kPauseMs : kPauseMs / 10;
  step_due_ = now_ms + std::max(pause, (now_ms - began_ms_) * 2);
}

}  // namespace lsmtpd::json_spool
