// SPDX-License-Identifier: Apache-2.0
#include "pipeline/replay.hpp"

#include <algorithm>

#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

Replay::Replay(io::Loop& loop, plugin::Lane& storage)
    : loop_(loop),
      storage_(storage),
      timer_([this] { look(); }),
      storage_pause_([this] { look(); }),
      stop_timer_([this] { leave_under_way(); }),
      put_off_([this] { put_off_due(); }) {}

Replay::~Replay() {
  for (const auto& item : under_way_)
    item->then = nullptr;  // it holds the item, and the item holds it
}

void Replay::add_output(plugin::Lane& output) {
  targets_.try_emplace(output.name(), *this, output);
  in_doubt_.add_output(output.name());
}

void Replay::start() {
  stopped_ = false;
  in_doubt_.not_listed();
  look();
}

// A message that waits for its output, for want of credit say, must not hold the stop: the output
// answers that it was not sent. One that was sent has a moment to get its outcome.
void Replay::stop(io::Task idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  timer_.disarm();
  storage_pause_.disarm();
  put_off_.clear();
  queue_.clear();
  for (const auto& item : std::set(under_way_)) {
    if (!item->delivering) continue;
    item->call.abandon([this, item](Completion c) { answered(item, std::move(c)); });
  }
  if (!under_way_.empty()) loop_.deadlines().arm(stop_timer_, kStopMs);
  tell_if_idle();
}

// They stay in the storage. What the storage itself is asked for is waited for.
void Replay::leave_under_way() {
  for (const auto& item : std::set(under_way_)) {
    if (!item->delivering) continue;
    item->then = nullptr;
    under_way_.erase(item);
  }
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
    if (stopped_) return;
    if (in_pass_ && restart_list_.exchange(false)) {
      queue_.clear();
      restart_ = true;
      listed_all_ = false;
    }
    if (!in_pass_ && !timer_.armed()) look_again();
  });
}

void Replay::add_in_doubt(const std::string& copy_id, const std::string& output) {
  in_doubt_.add(copy_id, output);
  restart_list_ = true;
}

void Replay::accepted(const std::string& output) {
  if (const auto found = targets_.find(output); found != targets_.end()) ++found->second.taken;
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
    settle(item, outcome, reason, std::move(notes), release);
  });
}

// The operator knows that something has changed.
void Replay::retry_now() {
  for (auto& [name, target] : targets_) {
    target.lane->retry_now();
    target.pause.disarm();
    target.pause_ms = kFirstPauseMs;
  }
  storage_.retry_now();
  put_off_.end_pauses();
  storage_pause_.disarm();
  pause_ms_ = kFirstPauseMs;
  dirty_ = true;
  look();
}

bool Replay::is_ready(const Target& target) const {
  return !target.pause.armed() && !target.lane->failed() && target.lane->admission().ready;
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
  if (dirty_ || put_off_due_) return true;
  return std::any_of(targets_.begin(), targets_.end(),
                     [](const auto& t) { return t.second.missed && !t.second.paused; });
}

// Looks again where there is something to wait for.
void Replay::look_again() {
  const bool missed =
      std::any_of(targets_.begin(), targets_.end(), [](const auto& t) { return t.second.missed; });
  if (dirty_ || missed || put_off_due_)
    loop_.deadlines().arm(timer_, in_doubt_.any() ? kInDoubtPollMs : kFirstPauseMs);
}

void Replay::put_off_due() {
  put_off_due_ = true;
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
  put_off_due_ = false;
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
  if (is_held(copy_id) || put_off_.waits(copy_id) || to_remove_.contains(copy_id)) return false;
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

void Replay::pump() {
  while (!stopped_ && !queue_.empty() && under_way_.size() < window_) {
    const std::string copy_id = std::move(queue_.front());
    queue_.pop_front();
    if (all_paused() && !in_doubt_.contains(copy_id)) {
      leave_rest();
      break;
    }
    if (may_begin(copy_id)) load(copy_id);
  }
  if (!queue_.empty() || !under_way_.empty()) return;
  if (stopped_ || listed_all_) {
    end_pass();
  } else {
    list();
  }
}

void Replay::list() {
  const auto item = make_item({});
  ask(
      item, storage_, kStorageDeadlineMs,
      [this](plugin::Done done, plugin::CallId& call) {
        return storage_.list(std::exchange(restart_, false), kListStep, std::move(done), call);
      },
      [this, item](Completion completion) {
        take_list(std::move(completion));
        item_done(item);
      });
}

// One that was answered since is not, whatever the storage says of it.
bool Replay::is_in_doubt(const plugin::StoredCopy& copy, bool first_list) {
  if (is_held(copy.copy_id) || put_off_.find(copy.copy_id)) return false;
  if (copy.in_doubt) return true;
  if (!first_list || oldest_left_ == 0) return false;
  --oldest_left_;
  return true;
}

// A step that finds nothing must be the last one: else a storage that never comes to an end would
// keep us busy.
void Replay::take_list(Completion completion) {
  if (stopped_) return;
  const bool first = in_doubt_.unlisted();
  in_doubt_.listed();
  if (completion.verdict.kind != Kind::proceed) {
    give_up_pass();
    return;
  }
  listed_all_ = completion.end || completion.copies.empty();
  for (auto& copy : completion.copies) {
    if (is_in_doubt(copy, first)) in_doubt_.add(copy.copy_id, {});
    queue_.push_back(std::move(copy.copy_id));
  }
}

Replay::Target* Replay::target_of(const std::string& name) {
  if (name.empty() && targets_.size() == 1) return &targets_.begin()->second;
  const auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second;
}

}  // namespace lsmtpd::pipeline
