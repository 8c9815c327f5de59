// SPDX-License-Identifier: Apache-2.0
// Replay: how much waits, and for how long.
#include <algorithm>
#include <chrono>
#include <set>

#include "log/log.hpp"
#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

namespace {

int64_t wall_clock_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

constexpr uint64_t kSurveyShare = 20;  // at most that part of the time is spent on surveys

}  // namespace

void Replay::kept(const std::string& output, const std::string& reason) {
  backlog_.kept(output, reason);
  wake();
}

void Replay::accepted(const std::string& output) {
  const std::lock_guard lock(mutex_);
  const auto found = targets_.find(output);
  if (found != targets_.end()) took(found->second);
}

void Replay::took(Target& target) {
  ++target.taken;
  target.taken_ns = wall_clock_ns();
  target.stopped = false;
  target.refusals = 0;
}

std::optional<std::string> Replay::stopped_for(const std::string& output) {
  const std::lock_guard lock(mutex_);
  const auto found = targets_.find(output);
  if (found == targets_.end() || !found->second.stopped) return std::nullopt;
  return fmt::format("its oldest message for {} waits longer than max_age, and {} took none since",
                     output, output);
}

// Between passes, which list for themselves. The storage is asked although it should be empty: an
// operator may have put messages into it.
void Replay::survey() {
  backlog_.look();
  const uint64_t pause = backlog_.seems_gone() ? kSurveySoonMs : kSurveyMs;
  loop_.deadlines().arm(survey_, pause);
  if (in_pass_ || surveying_ || storage_pause_.armed()) {
    look_at_expired();
    return;
  }
  surveying_ = true;
  const uint64_t began_ms = loop_.now_ms();
  const auto item = make_item({});
  ask(
      item, *storage_, kStorageDeadlineMs,
      [this](plugin::Done done, plugin::CallId& call) {
        return storage_->list(true, kListStep, std::move(done), call);
      },
      [this, item, began_ms](const Completion& completion) {
        surveying_ = false;
        if (completion.verdict.kind == Kind::proceed && !stopped_) {
          take_note(completion.storage(), true);
          look_at_expired();
          const uint64_t took_ms = loop_.now_ms() - began_ms;
          if (took_ms * kSurveyShare > kSurveyMs)
            loop_.deadlines().arm(survey_, took_ms * kSurveyShare);
        }
        item_done(item);
      });
}

// A list, which knows more than its copies where it is one from the start.
void Replay::take_note(const plugin::StorageAnswer& list, bool from_start) {
  std::set<std::string> seen;
  int64_t oldest_ns = 0;
  bool new_ones = false;
  for (const auto& copy : list.copies) {
    if (copy.time_ns != 0 && (oldest_ns == 0 || copy.time_ns < oldest_ns)) oldest_ns = copy.time_ns;
    if (!copy.expired) continue;
    seen.insert(copy.copy_id);
    if (!expired_.add(copy.copy_id, copy.time_ns,
                      targets_.size() == 1 ? targets_.begin()->first : ""))
      continue;
    // Its turn comes now: it is refused for the last time, or not.
    new_ones = tempfailed_.end_pause(copy.copy_id) || new_ones;
  }
  if (from_start) {
    const bool all = list.end || list.copies.empty();
    const int64_t last_ns =
        list.copies.empty() || list.copies.back().in_doubt ? 0 : list.copies.back().time_ns;
    expired_.erase_if([&](const std::string& id, const Expired::Copy& copy) {
      return !seen.contains(id) && (all || copy.time_ns < last_ns);
    });
    const uint64_t waiting = std::max<uint64_t>(list.waiting, list.copies.size());
    backlog_.counted(waiting, oldest_ns);
    // More than there were: also such as no output gave to the storage.
    if (waiting > waiting_before_ && !in_pass_) dirty_ = new_ones = true;
    waiting_before_ = waiting;
  }
  if (!new_ones) return;
  tempfailed_due_ = true;
  look();
}

// Mail for an output is taken no more while what it was to get before gets too old. Not where it
// may take that now: at the start it has taken nothing yet.
void Replay::look_at_expired() {
  for (auto& [name, target] : targets_) {
    if (!target.lane) continue;
    const int64_t oldest_ns = expired_.oldest_untaken(name, target.taken_ns);
    const auto now = target.lane->admission();
    target.stopped = oldest_ns != 0 && (!now.ready || target.refusals >= kMostInARow);
    if (target.stopped == target.said_stopped) continue;
    target.said_stopped = target.stopped;
    const int64_t oldest_s =
        oldest_ns == 0 ? 0 : std::max<int64_t>(0, (wall_clock_ns() - oldest_ns) / 1'000'000'000);
    log::write(target.stopped ? log::Level::error : log::Level::info, "fallback_stopped",
               std::vector<log::Field>{{"fallback", storage_->name()},
                                       {"output", name},
                                       {"stopped", target.stopped.load()},
                                       {"oldest_s", oldest_s},
                                       {"reason", now.ready ? target.refusal : now.reason}});
  }
}

// It has waited for longer than it may, and is refused again although its output takes others, and
// has taken some since it refused anything.
bool Replay::is_too_old(const Item& item, const plugin::Verdict& verdict) const {
  const Target& target = *item.target;
  const Expired::Copy* copy = expired_.find(item.copy_id);
  if (!copy || verdict.in_doubt || !is_ready(target)) return false;
  if (target.taken == target.taken_at_refusal) return false;
  return copy->time_ns < target.taken_ns &&
         tempfailed_.refusals(item.copy_id, target.taken) + 1 >= kMostRefusals;
}

}  // namespace lsmtpd::pipeline
