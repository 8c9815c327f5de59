// SPDX-License-Identifier: Apache-2.0
// The part of Replay that makes passes: it lists the copies that the storage has and begins each
// that may be tried now, in the order of the list.
#include <algorithm>

#include "pipeline/replay.hpp"
#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

bool Replay::is_ready(const Target& target) const {
  return target.lane && !target.pause.armed() && !target.lane->instance().is_held() &&
         !target.lane->failed() && target.lane->admission().ready;
}

// Targets that cannot take anything now sit this pass out. False: that is all of them.
bool Replay::find_ready() {
  bool any = false;
  for (auto& [name, target] : targets_) {
    target.paused = !is_ready(target);
    any = any || !target.paused;
  }
  return any;
}

// There is something that can be done now.
bool Replay::pass_is_due() const {
  if (storage_pause_.armed()) return false;
  if (dirty_ || tempfailed_due_) return true;
  return std::any_of(targets_.begin(), targets_.end(),
                     [](const auto& t) { return t.second.missed && !t.second.paused; });
}

// Looks again where there is something to wait for.
void Replay::look_again() {
  const bool missed =
      std::any_of(targets_.begin(), targets_.end(), [](const auto& t) { return t.second.missed; });
  if (dirty_ || missed || tempfailed_due_)
    loop_.deadlines().arm(timer_, in_doubt_.any() ? kInDoubtPollMs : kFirstPauseMs);
}

void Replay::tempfailed_due() {
  tempfailed_due_ = true;
  look();
}

void Replay::look() {
  if (stopped_ || in_pass_) return;
  const bool ready = find_ready();
  // The first list is needed at once: live mail waits for it.
  if (in_doubt_.unlisted() || (ready && pass_is_due())) {
    begin_pass();
  } else {
    look_again();
  }
}

void Replay::begin_pass() {
  dirty_ = false;
  restart_list_ = false;
  in_pass_ = true;
  restart_ = true;
  listed_all_ = false;
  failed_ = false;
  tempfailed_due_ = false;
  for (auto& [name, target] : targets_) target.missed = false;
  for (const auto& [copy_id, removal] : std::map(to_remove_)) {
    const auto item = make_item(copy_id);
    remove(item, removal.outcome, removal.reason, [this, item] { item_done(item); });
  }
  pump();
}

// The rest waits for the next pass, which begins at the start.
void Replay::give_up_pass() {
  failed_ = listed_all_ = true;
  queue_.clear();
}

void Replay::end_pass() {
  in_pass_ = false;
  if (stopped_) return;
  if (failed_) {
    dirty_ = true;
    loop_.deadlines().arm(storage_pause_, pause_ms_);
    pause_ms_ = std::min(pause_ms_ * 2, kLongestPauseMs);
  } else {
    pause_ms_ = kFirstPauseMs;
  }
  look_again();
}

// Those that are held wake us; those that are put off have their time.
bool Replay::may_begin(const std::string& copy_id) {
  if (is_held(copy_id) || tempfailed_.waits(copy_id) || to_remove_.contains(copy_id) ||
      skipped_.contains(copy_id))
    return false;
  return std::none_of(under_way_.begin(), under_way_.end(),
                      [&](const auto& item) { return item->copy_id == copy_id; });
}

bool Replay::all_paused() const {
  return std::all_of(targets_.begin(), targets_.end(),
                     [](const auto& t) { return t.second.paused; });
}

// No output can take anything: this pass ends, and the next begins when one is ready.
void Replay::leave_rest() {
  for (auto& [name, target] : targets_) target.missed = true;
  queue_.clear();
  listed_all_ = true;
}

bool Replay::has_room_for(const Queued& next) const {
  const std::size_t messages = messages_under_way();
  if (messages == 0) return true;
  return messages < window_ && bytes_under_way_ + next.bytes <= kLargestBytes;
}

void Replay::pump() {
  while (!stopped_ && !queue_.empty() && has_room_for(queue_.front())) {
    const Queued copy = std::move(queue_.front());
    queue_.pop_front();
    if (all_paused() && !in_doubt_.contains(copy.copy_id)) {
      leave_rest();
      break;
    }
    if (may_begin(copy.copy_id)) load(copy);
  }
  if (!stopped_ && !listed_all_) {
    if (!listing_ && queue_.size() < kListStep / 2) list();
  } else if (queue_.empty() && under_way_.empty()) {
    end_pass();
  }
}

void Replay::list() {
  const auto item = make_item({});
  listing_ = true;
  const bool from_start = std::exchange(restart_, false);
  ask(
      item, *storage_, kStorageDeadlineMs,
      [this, from_start](plugin::Done done, plugin::CallId& call) {
        return storage_->list(from_start, kListStep, std::move(done), call);
      },
      [this, item, from_start](Completion completion) {
        listing_ = false;
        take_list(std::move(completion), from_start);
        item_done(item);
      });
}

// One that was answered since is not, whatever the storage says of it.
bool Replay::is_in_doubt(const plugin::StoredCopy& copy, bool first_list) {
  if (is_held(copy.copy_id) || tempfailed_.find(copy.copy_id) || skipped_.contains(copy.copy_id))
    return false;
  if (copy.in_doubt) return true;
  if (!first_list || oldest_left_ == 0) return false;
  --oldest_left_;
  return true;
}

// A step that finds nothing must be the last one: else a storage that never comes to an end would
// keep us busy.
void Replay::take_list(Completion completion, bool from_start) {
  if (stopped_ || restart_) return;  // restart_: the list begins again
  const bool first = in_doubt_.unlisted();
  in_doubt_.listed();
  if (listed_all_) return;  // the pass was given up meanwhile
  if (completion.verdict.kind != Kind::proceed) {
    give_up_pass();
    return;
  }
  auto& list = completion.storage();
  listed_all_ = list.end || list.copies.empty();
  take_note(list, from_start);
  for (auto& copy : list.copies) {
    if (is_in_doubt(copy, first)) in_doubt_.add(copy.copy_id, {});
    queue_.push_back({std::move(copy.copy_id), copy.bytes > 0 ? copy.bytes : kUnknownBytes});
  }
}

Replay::Target* Replay::target_of(const std::string& name) {
  auto found = targets_.find(name);
  if (name.empty()) {
    const auto is_there = [](const auto& target) { return target.second.lane != nullptr; };
    if (std::count_if(targets_.begin(), targets_.end(), is_there) == 1)
      found = std::find_if(targets_.begin(), targets_.end(), is_there);
  }
  return found == targets_.end() || !found->second.lane ? nullptr : &found->second;
}

}  // namespace lsmtpd::pipeline
