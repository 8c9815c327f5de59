// SPDX-License-Identifier: Apache-2.0
#include "pipeline/replay.hpp"

#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

Replay::Replay(io::Loop& loop, std::shared_ptr<plugin::Lane> storage)
    : loop_(loop),
      storage_(std::move(storage)),
      timer_([this] { look(); }),
      storage_pause_([this] { look(); }),
      stop_timer_([this] { leave_under_way(); }),
      survey_([this] { survey(); }),
      tempfailed_([this] { tempfailed_due(); }),
      backlog_(loop, storage_->name()) {}

Replay::~Replay() {
  for (const auto& item : under_way_)
    item->then = nullptr;  // it holds the item, and the item holds it
}

void Replay::set_output(std::shared_ptr<plugin::Lane> output) {
  const std::string& name = output->name();
  in_doubt_.add_output(name);
  Target* target = nullptr;
  {
    const std::lock_guard lock(mutex_);
    target = &targets_.try_emplace(name, *this, name).first->second;
  }
  if (target->lane == output) return;
  target->lane = std::move(output);
  skipped_.clear();
  missing_targets_.clear();
  if (stopped_) return;
  target->pause.disarm();
  target->missed = true;  // it may take what the one before did not
  look();
}

void Replay::remove_output(const plugin::Lane& output) {
  const auto found = targets_.find(output.name());
  if (found != targets_.end() && found->second.lane.get() == &output) found->second.lane = nullptr;
}

void Replay::start() {
  stopped_ = false;
  in_doubt_.not_listed();
  loop_.deadlines().arm(survey_, kSurveyMs);
  look();
}

// A message that waits for its output, for want of credit say, must not hold the stop: the output
// answers that it was not sent. One that was sent has a moment to get its outcome.
void Replay::stop(io::Task idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  timer_.disarm();
  storage_pause_.disarm();
  survey_.disarm();
  backlog_.stop();
  tempfailed_.clear();
  queue_.clear();
  for (const auto& item : std::set(under_way_)) {
    if (!item->delivering) continue;
    item->call.abandon([this, item](Completion c) { answered(item, std::move(c)); });
  }
  if (!under_way_.empty()) loop_.deadlines().arm(stop_timer_, kStopMs);
  tell_if_idle();
}

// They stay in the storage. Calls to the storage itself are waited for.
void Replay::leave_under_way() {
  for (const auto& item : std::set(under_way_)) {
    if (!item->delivering) continue;
    item->then = nullptr;
    leave(item);
  }
  tell_if_idle();
}

void Replay::tell_if_idle() {
  if (idle_ && under_way_.empty()) std::exchange(idle_, nullptr)();
}

void Replay::wake() {
  dirty_ = true;
  if (told_.exchange(true)) return;
  loop_.post([this, keeps = weak_from_this().lock()] {
    told_ = false;
    if (stopped_) return;
    backlog_.look();
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

void Replay::hold(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  held_.insert(copy_id);
}

bool Replay::is_held(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  return held_.contains(copy_id);
}

void Replay::settle_held(const std::string& copy_id, Kind outcome, const std::string& reason,
                         std::optional<StoredChange> change) {
  loop_.post([this, keeps = weak_from_this().lock(), copy_id, outcome, reason,
              change = std::move(change)]() mutable {
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
    settle(item, outcome, reason, std::move(change), release);
  });
}

// The operator knows that something has changed.
void Replay::retry_now(const std::string& output) {
  for (auto& [name, target] : targets_) {
    if (!output.empty() && name != output) continue;
    if (target.lane) target.lane->retry_now();
    target.pause.disarm();
    target.pause_ms = kFirstPauseMs;
  }
  storage_->retry_now();
  tempfailed_.end_pauses();
  storage_pause_.disarm();
  pause_ms_ = kFirstPauseMs;
  dirty_ = true;
  look();
}

bool Replay::retry_copy(const std::string& copy_id) {
  if (!tempfailed_.end_pause(copy_id)) return false;
  tempfailed_due_ = true;
  look();
  return true;
}

void Replay::count(const std::string& output, uint64_t most, Counted counted) {
  const auto told = [counted = std::move(counted)](const Completion& completion) {
    counted(completion.verdict.kind == Kind::proceed ? std::optional(completion.storage().count)
                                                     : std::nullopt);
  };
  plugin::CallId call = 0;
  const auto now = storage_->count(output, most, told, call);
  if (now) told(*now);
}

}  // namespace lsmtpd::pipeline
