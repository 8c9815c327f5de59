// SPDX-License-Identifier: Apache-2.0
#include "sweep.hpp"

#include <algorithm>

#include "file_names.hpp"
#include "journal_events.hpp"

namespace lsmtpd::json_spool {

Sweep::Sweep(Files& files, const Directory& directory, Capacity& capacity, Log log,
             const SpoolMetrics* metrics, LogLine log_line, journal::Journal* journal)
    : files_(files),
      directory_(directory),
      capacity_(capacity),
      log_(std::move(log)),
      metrics_(metrics),
      journal_(journal),
      operator_lines_(
          files, directory.messages(),
          log_line ? std::move(log_line) : [](const OperatorLines::Line&) {}) {}

std::int64_t Sweep::turn(std::int64_t now_ms) {
  if (now_ms >= space_due_) {
    look_at_place();
    look_at_journal();
    look_at_space();
    publish();
    if (also_) also_();
    // Where tools wrote much, the rest follows soon.
    space_due_ = now_ms + (operator_lines_.take() ? kStepMs : kSpaceMs);
  }
  if (!metrics_ && !capacity_.counts_bytes()) return space_due_ - now_ms;
  if (now_ms >= step_due_) step(now_ms);
  return std::max<std::int64_t>(0, std::min(space_due_, step_due_) - now_ms);
}

void Sweep::look_at_place() {
  if (const auto change = capacity_.saw_place(directory_.misplaced(files_))) log_(*change);
}

void Sweep::look_at_journal() {
  if (journal_ == nullptr) return;
  journal_->flush_later();
  capacity_.saw_journal(journal_->copies().totals());
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
  began_ns_ = files_.stamp_ns();  // by another clock a file stored next would be counted twice
  used_before_ = capacity_.used_by_files();
  messages_before_ = capacity_.files();
  bytes_ = 0;
  messages_ = 0;
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
    if (info.changed_ns >= began_ns_ && info.changed_ns <= files_.now_ns()) continue;
    bytes_ += info.size;
    ++messages_;
  }
}

void Sweep::finish(std::int64_t now_ms) {
  listing_.reset();
  const std::int64_t stored_since = capacity_.files() - messages_before_;
  capacity_.saw_count(std::max<std::int64_t>(0, messages_ + stored_since));
  last_oldest_ns_ = oldest_ns_;
  std::size_t dead = metrics_ ? count(directory_.dead()) : 0;
  if (journal_ != nullptr) {
    const std::int64_t oldest = journal_->copies().oldest_ns();
    if (oldest != 0 && (oldest_ns_ == 0 || oldest < oldest_ns_)) last_oldest_ns_ = oldest;
    dead += journal_->copies().totals().dead;
  }
  swept_ = true;
  if (metrics_) metrics_->set_dead(dead, count(directory_.quarantine()));
  const std::int64_t since = capacity_.used_by_files() - used_before_;
  const std::int64_t bytes = std::max<std::int64_t>(0, static_cast<std::int64_t>(bytes_) + since);
  const auto change = capacity_.saw_messages(static_cast<std::uint64_t>(bytes));
  if (change) log_(*change);
  publish();
  // At most a twentieth of one core; more where clients wait for the end of the sweep.
  const std::int64_t pause = capacity_.ready() ? kPauseMs : kPauseMs / 10;
  step_due_ = now_ms + std::max(pause, (now_ms - began_ms_) * 2);
}

std::size_t Sweep::count(int folder) {
  std::size_t found = 0;
  std::string name;
  const auto listing = files_.list(folder);
  while (listing && found < kMostDead && listing->next(name))
    found += id_of(name) || name.ends_with(kDamagedEnding) ? 1 : 0;
  return found;
}

// Not before the first whole sweep: a graph that begins with 0 would be wrong.
void Sweep::publish() const {
  if (!metrics_ || !swept_) return;
  metrics_->set(std::max<std::int64_t>(0, capacity_.messages()),
                std::max<std::int64_t>(0, capacity_.used()), last_oldest_ns_,
                capacity_.is_fallback());
}

}  // namespace lsmtpd::json_spool
