// SPDX-License-Identifier: Apache-2.0
// Replay: one message, from the storage to the output it was stored for (replay_storage.cpp takes
// it out of the storage).
#include "pipeline/replay_item.hpp"

#include <algorithm>

#include "log/log.hpp"
#include "message/traceparent.hpp"
#include "pipeline/decisions.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Done;
using plugin::Kind;

std::optional<Replay::StoredChange> Replay::change_of(Rest rest, const plugin::Verdict& verdict,
                                                      plugin::DeliveryFacts before) {
  const bool newly_in_doubt = verdict.in_doubt && !before.in_doubt;
  if (rest.outcome == Kind::stored || (!rest.message && !newly_in_doubt)) return std::nullopt;
  before.in_doubt = before.in_doubt || verdict.in_doubt;
  before.reason = verdict.reason();
  ++before.attempts;
  // Without a message the copy is stored again as it is: the caller has it.
  return StoredChange{rest.message.value_or(message::Message()), std::move(before)};
}

std::shared_ptr<Replay::Item> Replay::make_item(const std::string& copy_id) {
  auto item = std::make_shared<Item>(*this, copy_id);
  item->self = item;
  under_way_.insert(item);
  return item;
}

void Replay::leave(const std::shared_ptr<Item>& item) {
  if (under_way_.erase(item) > 0) bytes_under_way_ -= item->bytes;
}

void Replay::item_done(const std::shared_ptr<Item>& item) {
  leave(item);
  if (in_pass_) pump();
  tell_if_idle();
}

void Replay::answered(const std::shared_ptr<Item>& item, Completion completion) {
  item->delivering = false;
  if (auto then = std::exchange(item->then, nullptr)) then(std::move(completion));
}

// A delivery may still succeed: the copy is held back until its outcome is known. The storage is
// just not waited for.
void Replay::overdue(const std::shared_ptr<Item>& item) {
  Done late;
  if (item->delivering) {
    in_doubt_.remove(item->copy_id);  // it comes back when its outcome is known
    hold(item->copy_id);
    late = [this, item](Completion completion) { this->late(item, std::move(completion)); };
  }
  item->call.abandon(std::move(late));
  answered(item, Completion::make(Kind::tempfail, "its deadline passed"));
}

void Replay::late(const std::shared_ptr<Item>& item, Completion completion) {
  Rest rest = rest_of(item->message, completion);
  const Kind outcome = rest.outcome;
  auto change = change_of(std::move(rest), completion.verdict, item->stored);
  if (change && !change->message.envelope) change->message = item->message;
  settle_held(item->copy_id, outcome, completion.verdict.reason(), std::move(change));
}

void Replay::load(const Queued& copy) {
  const auto item = make_item(copy.copy_id);
  item->bytes = copy.bytes;
  bytes_under_way_ += copy.bytes;
  ask(
      item, *storage_, kStorageDeadlineMs,
      [this, &copy](Done done, plugin::CallId& call) {
        return storage_->load(copy.copy_id, std::move(done), call);
      },
      [this, item](Completion completion) { take_loaded(item, std::move(completion)); });
}

void Replay::take_loaded(const std::shared_ptr<Item>& item, Completion completion) {
  if (completion.verdict.kind != Kind::proceed || !completion.message) {
    // Gone or in quarantine is not a failure.
    if (completion.verdict.kind != Kind::reject) failed_ = true;
    in_doubt_.remove(item->copy_id);
    expired_.erase(item->copy_id);
    item_done(item);
    return;
  }
  item->message = std::move(*completion.message);
  item->stored = std::move(completion.storage().stored);
  item->target = target_of(item->stored.target);
  if (item->target) expired_.is_for(item->copy_id, item->target->name);
  if (!item->target) {
    in_doubt_.remove(item->copy_id);
    skip(item->copy_id, item->stored.target);
    item_done(item);
  } else if (stopped_ || item->target->paused) {
    pass_over(item);
  } else {
    deliver(item);
  }
}

// Not loaded again before an output is new; one line for each name.
void Replay::skip(const std::string& copy_id, const std::string& target) {
  skipped_.insert(copy_id);
  if (!missing_targets_.insert(target).second) return;
  log::warn(
      "replay_skipped",
      {{"copy", copy_id},
       {"plugin", storage_->name()},
       {"target", target},
       {"hint", "no output of that name has this fallback: name it again, or remove the file"}});
}

// Its output pauses: the next pass comes back to it.
void Replay::pass_over(const std::shared_ptr<Item>& item) {
  item->target->missed = true;
  if (in_doubt_.contains(item->copy_id))
    in_doubt_.add(item->copy_id, item->target->name);  // which is known by now
  item_done(item);
}

void Replay::deliver(const std::shared_ptr<Item>& item) {
  item->lane = item->target->lane;
  plugin::Lane& lane = *item->lane;
  const uint64_t deadline_ms =
      std::max(lane.instance().settings().deadline_ms, kShortestDeadlineMs);
  item->delivering = true;
  ask(
      item, lane, deadline_ms,
      [&](Done done, plugin::CallId& call) {
        const uint32_t now = attempts_.contains(item->copy_id) ? attempts_[item->copy_id] : 0;
        return lane.deliver(
            item->message,
            {.copy_id = item->copy_id,
             .deadline_ms = deadline_ms,
             .replay = true,
             .reason = item->stored.reason,
             .attempts = item->stored.attempts + now,
             .in_doubt = item->stored.in_doubt || in_doubt_.contains(item->copy_id)},
            std::move(done), call);
      },
      [this, item](Completion completion) { take_delivered(item, std::move(completion)); });
}

// How it is stored, with the attempts since.
plugin::DeliveryFacts Replay::stored_with_attempts(const Item& item) const {
  plugin::DeliveryFacts stored = item.stored;
  const auto since = attempts_.find(item.copy_id);
  if (since != attempts_.end()) stored.attempts += since->second;
  return stored;
}

// The operator's tool shows reason and attempts as they are stored. They are stored again each time
// that the number of attempts has doubled, so that a message is written a few times only, however
// often it is refused.
std::optional<Replay::StoredChange> Replay::change_of_attempts(
    const Item& item, const plugin::Verdict& verdict) const {
  plugin::DeliveryFacts now = stored_with_attempts(item);
  if (now.target.empty()) return std::nullopt;  // a file of LSMTPD's own stays as it is
  now.reason = verdict.reason();
  if (++now.attempts < 2 * uint64_t{item.stored.attempts}) return std::nullopt;
  return StoredChange{item.message, std::move(now)};
}

// A message that makes the broker drop the connection must not do so for ever: true when this one,
// alone each time, was lost with its connection once too often.
bool Replay::kills_connections(const Item& item, const plugin::Verdict& verdict) {
  if (!verdict.in_doubt || messages_under_way() > 1) return false;
  LostAlone& lost = lost_alone_[item.copy_id];
  return ++(verdict.cause_passes ? lost.passing : lost.other) >= kMostLostAlone;
}

void Replay::take_delivered(const std::shared_ptr<Item>& item, Completion completion) {
  auto& verdict = completion.verdict;
  Rest rest = rest_of(item->message, completion);
  verdict.kind = rest.outcome;
  const bool kills = verdict.kind == Kind::tempfail && kills_connections(*item, verdict);
  if (kills && !verdict.cause_passes) {
    verdict.kind = rest.outcome = Kind::reject;
    verdict.detail =
        fmt::format("lost alone with its connection {} times: {}", kMostLostAlone, verdict.detail);
  } else if (verdict.kind == Kind::tempfail && is_too_old(*item, verdict)) {
    verdict.kind = rest.outcome = Kind::reject;
    verdict.detail =
        fmt::format("it waited longer than max_age of {}, and was refused once more: {}",
                    storage_->name(), verdict.reason());
  }
  const auto& settings = item->lane->instance().settings();
  const Next next = decide(Role::replay, call_end(verdict.kind), settings);
  auto change = change_of(std::move(rest), verdict, stored_with_attempts(*item));
  if (!change && next != Next::stored && next != Next::rejected)
    change = change_of_attempts(*item, verdict);
  if (change && !change->message.envelope) change->message = item->message;
  if (next != Next::stored && next != Next::rejected) {
    tempfailed(item, verdict, std::move(change), kills);
    return;
  }
  window_ = std::min(window_ * 2, kLargestWindow);
  lost_alone_.erase(item->copy_id);
  attempts_.erase(item->copy_id);
  tempfailed_.erase(item->copy_id);
  in_doubt_.remove(item->copy_id);
  Target& target = *item->target;
  target.in_a_row = 0;
  target.pause_ms = kFirstPauseMs;
  target.pause.disarm();
  if (next == Next::stored) took(target);
  const bool refused = next == Next::rejected;
  log::Fields fields = {{"id", item->message.envelope->id},
                        {"copy", item->copy_id},
                        {"plugin", item->lane->name()},
                        {"outcome", refused ? "dead_letter" : "stored"},
                        {"detail", verdict.reason()}};
  if (const auto traceparent = message::traceparent_of(item->message); !traceparent.empty())
    fields.add({"traceparent", traceparent});
  log::write(refused ? log::Level::error : log::Level::info, "replayed", fields);
  settle(item, verdict.kind, verdict.reason(), std::move(change),
         [this, item] { item_done(item); });
}

// The message waits, or its output does; the others go on.
void Replay::tempfailed(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict,
                        std::optional<StoredChange> change, bool kills) {
  window_ = 1;
  if (change) {
    attempts_.erase(item->copy_id);  // they are stored with it
  } else {
    ++attempts_[item->copy_id];
  }
  pause(item, verdict, kills);
  keep_change(item, std::move(change), [this, item] { item_done(item); });
}

void Replay::pause(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict, bool kills) {
  Target& target = *item->target;
  backlog_.refused(target.name, verdict.reason());
  target.refusal = verdict.reason();
  ++target.refusals;
  target.taken_at_refusal = target.taken;
  if (verdict.in_doubt || !is_ready(target)) {
    if (kills) {
      // The cause may be the broker's or the message's: it waits on its own, so that the output is
      // there for others meanwhile.
      in_doubt_.remove(item->copy_id);
      tempfailed_.add(loop_.deadlines(), item->copy_id, target.taken, verdict.reason());
    } else if (verdict.in_doubt)
      in_doubt_.add(item->copy_id, target.name);
    // It is the output's fault: as soon as that is ready again this one is among the first.
    target.paused = target.missed = true;
    return;
  }
  // It was answered: nothing is in doubt any more.
  in_doubt_.remove(item->copy_id);
  tempfailed_.add(loop_.deadlines(), item->copy_id, target.taken, verdict.reason());
  if (++target.in_a_row < kMostInARow) return;
  target.in_a_row = 0;
  target.paused = target.missed = true;
  loop_.deadlines().arm(target.pause, target.pause_ms);
  target.pause_ms = std::min(target.pause_ms * 2, kLongestPauseMs);
}

}  // namespace lsmtpd::pipeline
