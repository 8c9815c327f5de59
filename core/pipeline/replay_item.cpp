// SPDX-License-Identifier: Apache-2.0
// Replay: one message, from the storage to the output it was stored for, and out of the storage.
#include "pipeline/replay_item.hpp"

#include <algorithm>

#include "log/log.hpp"
#include "pipeline/decisions.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Done;
using plugin::Kind;

std::optional<Replay::Notes> Replay::notes_of(Rest rest, const plugin::Verdict& verdict,
                                              plugin::Delivery before) {
  const bool newly_in_doubt = verdict.in_doubt && !before.in_doubt;
  if (rest.outcome == Kind::stored || (!rest.message && !newly_in_doubt)) return std::nullopt;
  before.in_doubt = before.in_doubt || verdict.in_doubt;
  before.reason = verdict.reason();
  ++before.attempts;
  // Without a message the copy is stored again as it is: the caller has it.
  return Notes{rest.message.value_or(message::Message()), std::move(before)};
}

std::shared_ptr<Replay::Item> Replay::make_item(const std::string& copy_id) {
  auto item = std::make_shared<Item>(*this, copy_id);
  item->self = item;
  under_way_.insert(item);
  return item;
}

void Replay::item_done(const std::shared_ptr<Item>& item) {
  under_way_.erase(item);
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
  auto notes = notes_of(std::move(rest), completion.verdict, item->stored);
  if (notes && !notes->message.envelope) notes->message = item->message;
  settle_held(item->copy_id, outcome, completion.verdict.reason(), std::move(notes));
}

void Replay::load(const std::string& copy_id) {
  const auto item = make_item(copy_id);
  ask(
      item, storage_, kStorageDeadlineMs,
      [this, &copy_id](Done done, plugin::CallId& call) {
        return storage_.load(copy_id, std::move(done), call);
      },
      [this, item](Completion completion) { take_loaded(item, std::move(completion)); });
}

void Replay::take_loaded(const std::shared_ptr<Item>& item, Completion completion) {
  if (completion.verdict.kind != Kind::proceed || !completion.message) {
    // Gone or in quarantine is not a failure.
    if (completion.verdict.kind != Kind::reject) failed_ = true;
    in_doubt_.remove(item->copy_id);
    item_done(item);
    return;
  }
  item->message = std::move(*completion.message);
  item->stored = completion.stored;
  item->target = target_of(completion.stored.target);
  if (!item->target) {
    in_doubt_.remove(item->copy_id);
    log::warn(
        "replay_skipped",
        {{"copy", item->copy_id},
         {"plugin", storage_.name()},
         {"target", completion.stored.target},
         {"hint", "no output of that name has this fallback: name it again, or remove the file"}});
    item_done(item);
  } else if (stopped_ || item->target->paused) {
    pass_over(item);
  } else {
    deliver(item);
  }
}

// Its output pauses: the next pass comes back to it.
void Replay::pass_over(const std::shared_ptr<Item>& item) {
  item->target->missed = true;
  if (in_doubt_.contains(item->copy_id))
    in_doubt_.add(item->copy_id, item->target->lane->name());  // which is known by now
  item_done(item);
}

void Replay::deliver(const std::shared_ptr<Item>& item) {
  plugin::Lane& lane = *item->target->lane;
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

// A message that makes the broker drop the connection must not do so for ever: true when this one,
// alone each time, was lost with its connection once too often.
bool Replay::kills_connections(const Item& item, const plugin::Verdict& verdict) {
  if (!verdict.in_doubt || verdict.cause_passes || under_way_.size() > 1) return false;
  return ++lost_alone_[item.copy_id] >= kMostLostAlone;
}

void Replay::take_delivered(const std::shared_ptr<Item>& item, Completion completion) {
  auto& verdict = completion.verdict;
  Rest rest = rest_of(item->message, completion);
  verdict.kind = rest.outcome;
  if (verdict.kind == Kind::tempfail && kills_connections(*item, verdict)) {
    verdict.kind = rest.outcome = Kind::reject;
    verdict.detail =
        fmt::format("lost alone with its connection {} times: {}", kMostLostAlone, verdict.detail);
  }
  const auto& settings = item->target->lane->instance().settings();
  const Next next = decide(Speaker::replay, came_of(verdict.kind), settings);
  auto notes = notes_of(std::move(rest), verdict, item->stored);
  if (notes && !notes->message.envelope) notes->message = item->message;
  if (next != Next::stored && next != Next::rejected) {
    tempfailed(item, verdict, std::move(notes));
    return;
  }
  window_ = std::min(window_ * 2, kLargestWindow);
  lost_alone_.erase(item->copy_id);
  attempts_.erase(item->copy_id);
  put_off_.erase(item->copy_id);
  in_doubt_.remove(item->copy_id);
  Target& target = *item->target;
  target.in_a_row = 0;
  target.pause_ms = kFirstPauseMs;
  target.pause.disarm();
  if (next == Next::stored) ++target.taken;
  const bool refused = next == Next::rejected;
  log::write(refused ? log::Level::error : log::Level::info, "replayed",
             std::vector<log::Field>{{"id", item->message.envelope->id},
                                     {"copy", item->copy_id},
                                     {"plugin", item->target->lane->name()},
                                     {"outcome", refused ? "dead_letter" : "stored"},
                                     {"detail", verdict.reason()}});
  settle(item, verdict.kind, verdict.reason(), std::move(notes), [this, item] { item_done(item); });
}

// The message waits, or its output does; the others go on.
void Replay::tempfailed(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict,
                        std::optional<Notes> notes) {
  window_ = 1;
  if (notes) {
    attempts_.erase(item->copy_id);  // they are stored with it
  } else {
    ++attempts_[item->copy_id];
  }
  pause(item, verdict);
  keep_notes(item, std::move(notes), [this, item] { item_done(item); });
}

void Replay::pause(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict) {
  Target& target = *item->target;
  if (verdict.in_doubt || !is_ready(target)) {
    if (verdict.in_doubt) in_doubt_.add(item->copy_id, target.lane->name());
    // It is the output's fault: as soon as that is ready again this one is among the first.
    target.paused = target.missed = true;
    return;
  }
  // It was answered: nothing is in doubt any more.
  in_doubt_.remove(item->copy_id);
  put_off_.add(loop_.deadlines(), item->copy_id, target.taken, verdict.reason());
  if (++target.in_a_row < kMostInARow) return;
  target.in_a_row = 0;
  target.paused = target.missed = true;
  loop_.deadlines().arm(target.pause, target.pause_ms);
  target.pause_ms = std::min(target.pause_ms * 2, kLongestPauseMs);
}

// A copy has its outcome, perhaps for some of its recipients only: the others are stored anew
// first.
void Replay::settle(const std::shared_ptr<Item>& item, Kind outcome, const std::string& reason,
                    std::optional<Notes> notes, io::Task then) {
  if (outcome == Kind::stored) notes.reset();
  keep_notes(item, std::move(notes), [this, item, outcome, reason, then = std::move(then)] {
    remove(item, outcome, reason, then);
  });
}

// Where part of a message is safe by now, or is in doubt, the storage must know for the next try
// (promise P3).
void Replay::keep_notes(const std::shared_ptr<Item>& item, std::optional<Notes> notes,
                        io::Task then) {
  if (!notes || !notes->message.envelope) {
    then();
    return;
  }
  ask(
      item, storage_, kStorageDeadlineMs,
      [&](Done done, plugin::CallId& call) {
        plugin::Delivery how = notes->stored;
        how.copy_id = item->copy_id;
        how.deadline_ms = 0;
        how.replay = false;
        return storage_.deliver(notes->message, std::move(how), std::move(done), call);
      },
      [then = std::move(then)](const Completion&) { then(); });
}

// Takes what has its outcome out of the storage. Where that fails the copy must not be delivered
// again: it is kept in mind.
void Replay::remove(const std::shared_ptr<Item>& item, Kind outcome, const std::string& reason,
                    io::Task then) {
  if (outcome != Kind::stored && outcome != Kind::reject) {
    then();
    return;
  }
  ask(
      item, storage_, kStorageDeadlineMs,
      [&](Done done, plugin::CallId& call) {
        return outcome == Kind::stored
                   ? storage_.forget(item->copy_id, std::move(done), call)
                   : storage_.dead_letter(item->copy_id, reason, std::move(done), call);
      },
      [this, item, outcome, reason, then = std::move(then)](const Completion& completion) {
        if (completion.verdict.kind == Kind::stored) {
          to_remove_.erase(item->copy_id);
        } else {
          to_remove_[item->copy_id] = {outcome, reason};
          give_up_pass();
        }
        then();
      });
}

}  // namespace lsmtpd::pipeline
