// SPDX-License-Identifier: Apache-2.0
#include "filer_queue.hpp"

#include <algorithm>
#include <utility>

namespace lsmtpd::json_spool {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{500};

}  // namespace

void FilerQueue::add(const journal::Key& key) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({key, Clock::now()});
    wake = waiting_.size() == 1 || waiting_.size() == kBatch;
  }
  if (wake) changed_.notify_all();
}

void FilerQueue::add_older(const std::vector<journal::Key>& keys) {
  {
    const std::lock_guard lock(mutex_);
    for (const journal::Key& key : keys) older_.push_back({key, {}});
  }
  changed_.notify_all();
}

bool FilerQueue::is_due(Clock::time_point now) const {
  if (!older_.empty()) return true;
  if (!failed_.empty() && failed_.begin()->first <= now) return true;
  if (waiting_.empty()) return false;
  return hurry_ || stopping_ || waiting_.size() >= kBatch || now >= began_ + kPace;
}

bool FilerQueue::is_over(Clock::time_point now) const {
  if (!stopping_) return false;
  return now >= until_ || (waiting_.empty() && older_.empty()) || failures_ > 0;
}

FilerQueue::Clock::time_point FilerQueue::next_look(Clock::time_point now) const {
  auto next = now + std::chrono::hours(1);
  if (!failed_.empty()) next = failed_.begin()->first;
  if (!waiting_.empty()) next = std::min(next, began_ + kPace);
  return next;
}

void FilerQueue::take_failed(Batch& batch, Clock::time_point now) {
  while (batch.size() < kBatch && !failed_.empty() && failed_.begin()->first <= now) {
    batch.push_back(failed_.begin()->second);
    failed_.erase(failed_.begin());
  }
}

bool FilerQueue::take(Batch& batch) {
  batch.clear();
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = Clock::now();
    if (is_over(now)) return false;
    if (is_due(now)) break;
    changed_.wait_until(lock, next_look(now));
  }
  began_ = Clock::now();
  hurry_ = false;
  take_failed(batch, began_);
  while (batch.size() < kBatch && !waiting_.empty()) {
    batch.push_back(waiting_.front());
    if (!under_way_since_) under_way_since_ = waiting_.front().since;
    waiting_.pop_front();
  }
  while (batch.size() < kBatch && !older_.empty()) {
    batch.push_back(older_.front());
    older_.pop_front();
  }
  under_way_ = batch.size();
  return true;
}

void FilerQueue::succeeded() {
  const std::lock_guard lock(mutex_);
  failures_ = 0;
  error_ = 0;
  succeeded_ = true;
}

void FilerQueue::failed(Waiting one, std::int64_t error, bool by_itself) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (one.since == Clock::time_point()) one.since = now;
  if (one.tries == 0 && !by_itself && failures_++ == 0) failing_since_ = now;
  if (!by_itself) error_ = error;
  const auto pause = kFirstPause * (std::int64_t{1} << std::min<std::uint32_t>(one.tries, 10));
  ++one.tries;
  one.by_itself = by_itself;
  failed_.emplace(now + std::min<milliseconds>(pause, kLongestPause), one);
}

void FilerQueue::again(Waiting one) {
  const std::lock_guard lock(mutex_);
  if (one.since == Clock::time_point()) one.since = Clock::now();
  waiting_.push_back(one);
}

void FilerQueue::finished() {
  const std::lock_guard lock(mutex_);
  under_way_ = 0;
  under_way_since_.reset();
  batch_took_ = (batch_took_ + (Clock::now() - began_)) / 2;
  if (!std::exchange(succeeded_, false)) return;
  const auto soon = Clock::now() + kPace;
  std::multimap<Clock::time_point, Waiting> failed;
  for (const auto& [due, one] : failed_)
    failed.emplace(one.by_itself ? due : std::min(due, soon), one);
  failed_.swap(failed);
}

void FilerQueue::hurry() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  changed_.notify_all();
}

void FilerQueue::stop(Clock::time_point until) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    until_ = until;
  }
  changed_.notify_all();
}

bool FilerQueue::is_idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && older_.empty() && failed_.empty() && under_way_ == 0;
}

bool FilerQueue::has_older() const {
  const std::lock_guard lock(mutex_);
  return !older_.empty();
}

// Under the mutex. Those of an earlier run have no time.
milliseconds FilerQueue::age(bool with_failed) const {
  const auto now = Clock::now();
  auto oldest = now;
  if (!waiting_.empty()) oldest = std::min(oldest, waiting_.front().since);
  if (under_way_since_) oldest = std::min(oldest, *under_way_since_);
  for (const auto& [due, one] : failed_)
    if (with_failed) oldest = std::min(oldest, one.since);
  return std::chrono::duration_cast<milliseconds>(now - oldest);
}

milliseconds FilerQueue::behind() const {
  const std::lock_guard lock(mutex_);
  return age(true);
}

bool FilerQueue::is_full() const {
  const std::lock_guard lock(mutex_);
  // The last one that waits would have its file too late, though none is late yet.
  const auto takes = batch_took_ * static_cast<std::int64_t>(waiting_.size() / kBatch);
  return waiting_.size() + failed_.size() >= kMost || takes >= kBehind || age(false) >= kBehind;
}

std::int64_t FilerQueue::refuses() const {
  const std::lock_guard lock(mutex_);
  if (failures_ < kFailures) return 0;
  return Clock::now() - failing_since_ >= kBehind || failed_.size() >= kMost ? error_ : 0;
}

}  // namespace lsmtpd::json_spool
