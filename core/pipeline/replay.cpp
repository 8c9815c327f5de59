// SPDX-License-Identifier: Apache-2.0
#include "pipeline/replay.hpp"

#include <algorithm>

#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

Replay::Replay(io::Loop& loop, plugin::Lane& storage)
    : loop_(loop), storage_(storage), timer_([this] { begin_pass(); }) {}

Replay::~Replay() {
  for (const auto& item : under_way_)
    item->then = nullptr;  // it holds the item, and the item holds it
}

void Replay::add_output(plugin::Lane& output) {
  targets_[output.name()] = {&output, false};
}

void Replay::start() {
  stopped_ = false;
  loop_.deadlines().arm(timer_, kFirstPauseMs);
}

void Replay::stop(io::Task idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  timer_.disarm();
  queue_.clear();
  tell_if_idle();
}

void Replay::tell_if_idle() {
  if (idle_ && under_way_.empty()) std::exchange(idle_, nullptr)();
}

void Replay::wake() {
  dirty_ = true;
  if (told_.exchange(true)) return;
  loop_.post([this] {
    told_ = false;
    if (!stopped_ && !in_pass_ && !timer_.armed()) loop_.deadlines().arm(timer_, kFirstPauseMs);
  });
}

void Replay::hold(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  held_.insert(copy_id);
}

bool Replay::is_held(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  return held_.contains(copy_id);
}

void Replay::settle_held(const std::string& copy_id, Kind outcome, const std::string& reason,
                         std::optional<Notes> notes) {
  loop_.post([this, copy_id, outcome, reason, notes = std::move(notes)]() mutable {
    if (stopped_) return;  // the copy stays, and is replayed after the next start
    const auto item = make_item(copy_id);
    const auto release = [this, item] {
      {
        std::lock_guard lock(mutex_);
        held_.erase(item->copy_id);
      }
      wake();
      item_done(item);
    };
    if (outcome == Kind::stored || outcome == Kind::reject) {
      remove(item, outcome, reason, release);
    } else {
      keep_notes(item, std::move(notes), release);
    }
  });
}

bool Replay::all_paused() const {
  return std::all_of(targets_.begin(), targets_.end(),
                     [](const auto& t) { return t.second.paused; });
}

// Targets that cannot take anything now sit this pass out. False: that is all of them.
bool Replay::find_ready() {
  for (auto& [name, target] : targets_)
    target.paused = target.lane->failed() || !target.lane->admission().ready;
  return !all_paused();
}

void Replay::begin_pass() {
  if (stopped_ || in_pass_) return;
  if (!find_ready()) {
    loop_.deadlines().arm(timer_, kFirstPauseMs);
    return;
  }
  if (!dirty_.exchange(false)) return;  // wake() comes when there is something
  in_pass_ = true;
  restart_ = true;
  listed_all_ = false;
  failed_ = false;
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
    pause_ms_ = std::min(pause_ms_ * 2, kLongestPauseMs);
    loop_.deadlines().arm(timer_, pause_ms_);
  } else {
    pause_ms_ = kFirstPauseMs;
    if (dirty_) loop_.deadlines().arm(timer_, kFirstPauseMs);
  }
}

void Replay::pump() {
  while (!stopped_ && !queue_.empty() && under_way_.size() < window_) {
    const std::string copy_id = std::move(queue_.front());
    queue_.pop_front();
    if (is_held(copy_id)) continue;  // settle_held() wakes us
    load(copy_id);
  }
  if (!queue_.empty() || !under_way_.empty()) return;
  if (stopped_ || listed_all_ || all_paused()) {
    end_pass();
  } else {
    list();
  }
}

void Replay::list() {
  const auto item = make_item({});
  ask(
      item, storage_, kStorageDeadlineMs,
      [this](plugin::Done done, lsmtpd_call& call) {
        return storage_.list(std::exchange(restart_, false), kListStep, std::move(done), call);
      },
      [this, item](Completion completion) {
        take_list(std::move(completion));
        item_done(item);
      });
}

// A step that finds nothing must be the last one: else a storage that never comes to an end would
// keep us busy.
void Replay::take_list(Completion completion) {
  if (stopped_) return;
  if (completion.verdict.kind != Kind::proceed) {
    give_up_pass();
    return;
  }
  listed_all_ = completion.end || completion.copy_ids.empty();
  queue_.insert(queue_.end(), completion.copy_ids.begin(), completion.copy_ids.end());
}

Replay::Target* Replay::target_of(const std::string& name) {
  if (name.empty() && targets_.size() == 1) return &targets_.begin()->second;
  const auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second;
}

}  // namespace lsmtpd::pipeline
