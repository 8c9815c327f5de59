// SPDX-License-Identifier: Apache-2.0
#include "journal/group_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>

#include "threads.hpp"

namespace lsmtpd::journal {
namespace {

// Asks for what is pending to be written and flushed, when the journal ends.
class Last : public Append {
 public:
  void answer(std::int64_t) override {}
};

}  // namespace

GroupWriter::GroupWriter(SegmentFiles& files, State& state, std::function<void()> changed,
                         std::function<void(const Failure&)> failed)
    : files_(files), state_(state), changed_(std::move(changed)), failed_(std::move(failed)) {}

void GroupWriter::start(std::uint64_t next_number, std::uint64_t last_sequence) {
  next_number_ = next_number;
  sequence_ = last_sequence;
  stopping_ = false;
  thread_ = json_spool::quiet_thread("spool-journal", [this] { run(); });
}

void GroupWriter::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  thread_.join();
}

bool GroupWriter::submit(std::unique_ptr<Append>& append, bool always) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || (!always && queue_.size() >= kQueueMax)) return false;
    queue_.push_back(std::move(append));
  }
  queued_.notify_one();
  return true;
}

std::unique_ptr<Append> GroupWriter::take_if(const std::function<bool(const Append&)>& wanted) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const auto& append) { return wanted(*append); });
  if (found == queue_.end()) return nullptr;
  std::unique_ptr<Append> taken = std::move(*found);
  queue_.erase(found);
  return taken;
}

std::uint64_t GroupWriter::next_number() {
  return next_number_.fetch_add(1, std::memory_order_relaxed);
}

bool GroupWriter::take(Batch& batch) {
  std::unique_lock lock(mutex_);
  queued_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  batch.swap(queue_);
  return !batch.empty();
}

void GroupWriter::run() {
  Batch batch;
  while (take(batch)) commit(batch);
  batch.push_back(std::make_unique<Last>());
  commit(batch);
}

void GroupWriter::commit(Batch& batch) {
  while (!batch.empty()) {
    const std::uint64_t room = batch.front()->room();
    if (const std::int64_t error = ensure_room(room); error < 0) {
      failed_({"cannot make a segment", error});
      refuse(batch, error);
      continue;
    }
    group_.begin(segment_, end_, durable_end_);
    Failure failure;
    try {
      collect(batch);
      collect_removals();
      write(failure);
    } catch (const std::exception&) {  // out of memory: nothing of it was written, or it is unknown
      failure = {"cannot put the group together", -ENOMEM};
    }
    if (failure.error < 0) {
      give_up(failure);
    } else {
      settle();
    }
    for (std::unique_ptr<Append>& member : members_) member->answer(failure.error);
    members_.clear();
  }
}

// The first, and where there is no room on the disk all that need some: removals need little, and
// go on.
void GroupWriter::refuse(Batch& batch, std::int64_t error) {
  Batch refused, kept;
  for (std::unique_ptr<Append>& append : batch) {
    const bool refuse = refused.empty() || (error != -EFBIG && append->room() > 0);
    (refuse ? refused : kept).push_back(std::move(append));
  }
  batch.swap(kept);
  {
    const std::lock_guard lock(state_.mutex);
    for (std::unique_ptr<Append>& append : refused) append->give_up(state_, 0);
  }
  for (std::unique_ptr<Append>& append : refused) append->answer(error);
}

bool GroupWriter::shares_key(const Append& append) const {
  if (append.key() == nullptr) return false;
  return std::any_of(members_.begin(), members_.end(), [&](const auto& member) {
    return member->key() != nullptr && append.needs_own_group(*member->key());
  });
}

void GroupWriter::collect(Batch& batch) {
  while (!batch.empty()) {
    const Append& next = *batch.front();
    const std::uint64_t wanted = next.room();
    const bool fits = wanted + reserved_ <= group_.room();
    const bool enough = group_.size() + wanted > kGroupBytes;
    if (!members_.empty() && ((wanted > 0 && (!fits || enough)) || shares_key(next))) break;
    members_.push_back(std::move(batch.front()));
    batch.pop_front();
    members_.back()->put(group_, state_);
  }
}

void GroupWriter::collect_removals() {
  std::vector<Removal> removals;
  {
    const std::lock_guard lock(state_.mutex);
    removed_.clear();
    if (!has_segment_ || group_.room() < kRecordHeader + kRemoval) return;
    const auto most = static_cast<std::size_t>((group_.room() - kRecordHeader) / kRemoval);
    const std::size_t count = std::min(most, state_.pending.size());
    removed_.assign(state_.pending.begin(),
                    state_.pending.begin() + static_cast<std::ptrdiff_t>(count));
    state_.pending.erase(state_.pending.begin(),
                         state_.pending.begin() + static_cast<std::ptrdiff_t>(count));
    for (const Pending& each : removed_) {
      // A segment that was freed meanwhile has no records that could come back.
      if (state_.segments.find(each.sequence))
        removals.push_back({each.sequence, each.place.position, each.from_here});
    }
  }
  if (!removals.empty()) group_.removals(removals);
}

std::int64_t GroupWriter::write(Failure& failure) {
  bool flush = false;
  bool bodies = false;
  for (const std::unique_ptr<Append>& member : members_) {
    flush = flush || member->wants_flush() || written_.size() > kUnflushedMax;
    bodies = bodies || member->has_body();
  }
  if (bodies) {
    const int error = files_.files().make_names_durable(files_.directory());
    if (error < 0) failure = {"cannot fsync the directory", error};
  }
  if (failure.error == 0 && !group_.empty()) {
    const auto error = write_all(files_.files(), file_.get(), end_, group_.finish());
    if (error < 0) failure = {"cannot write", error};
  }
  if (failure.error == 0 && flush && has_segment_ && (!group_.empty() || durable_end_ < end_)) {
    const int error = files_.files().sync_data(file_.get());
    ++flushes_;
    if (error < 0) failure = {"cannot fsync the segment", error};
    if (error >= 0) durable_end_ = group_.empty() ? end_ : group_.end();
  }
  if (failure.error == 0 && !group_.empty()) end_ = group_.end();
  return failure.error;
}

void GroupWriter::settle() {
  const bool asks = has_segment_ && !asked_ && end_ > segment_.size / 4;
  asked_ = asked_ || asks;
  bool changed = asks || !removed_.empty();
  {
    const std::lock_guard lock(state_.mutex);
    state_.wants_segment = state_.wants_segment || asks;
    for (std::unique_ptr<Append>& member : members_) member->settle(state_, slot_);
    for (const Pending& each : removed_) {
      const auto target = state_.segments.find(each.sequence);
      if (target) state_.segments.guard(slot_, *target, 1);
    }
    written_.insert(written_.end(), removed_.begin(), removed_.end());
    if (durable_end_ == end_) {
      for (const Pending& each : written_)
        if (each.body != 0) state_.drop_body(each.body);
      written_.clear();
    }
    changed = changed || !state_.orphans.empty();
    unflushed_ = !written_.empty() || !state_.pending.empty();
  }
  removed_.clear();
  if (changed) changed_();
}

void GroupWriter::give_up(const Failure& failure) {
  failed_(failure);
  const std::uint32_t slot = slot_;
  {
    const std::lock_guard lock(state_.mutex);
    for (std::unique_ptr<Append>& member : members_) member->give_up(state_, slot);
    state_.pending.insert(state_.pending.begin(), removed_.begin(), removed_.end());
    state_.pending.insert(state_.pending.begin(), written_.begin(), written_.end());
    if (has_segment_) {
      state_.segments.at(slot).use = Segment::Use::full;
      state_.pending.insert(state_.pending.begin(),
                            Pending{{slot, end_}, segment_.sequence, 0, true});
    }
  }
  removed_.clear();
  written_.clear();
  has_segment_ = false;
  file_.close();
  changed_();
}

}  // namespace lsmtpd::journal
