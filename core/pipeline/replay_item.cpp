// SPDX-License-Identifier: Apache-2.0
// Replay: one message, from the storage to the output it was stored for, and out of the storage.
#include "pipeline/replay_item.hpp"

#include <algorithm>

#include "log/log.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Done;
using plugin::Kind;

namespace {

// RFC 3463: bad connection. What an output says of a message that was under way when its connection
// was lost.
constexpr std::string_view kConnectionLost = "4.4.2";

}  // namespace

std::optional<Replay::Notes> Replay::notes_of(const message::Message& before,
                                              const Completion& completion,
                                              const std::string& target) {
  const bool none = !completion.message || completion.message->annotations == before.annotations;
  return none ? std::nullopt : std::optional(Notes{*completion.message, target});
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
  item->deadline.disarm();
  item->call = 0;
  item->delivering = false;
  if (auto then = std::exchange(item->then, nullptr)) then(std::move(completion));
}

// A delivery may still succeed: the copy is held back until its outcome is known. The storage is
// just not waited for.
void Replay::overdue(const std::shared_ptr<Item>& item) {
  Done late;
  if (item->delivering) {
    hold(item->copy_id);
    late = [this, item](Completion completion) { this->late(item, std::move(completion)); };
  }
  item->asked->abandon(item->call, std::move(late));
  answered(item, {plugin::Verdict::make(Kind::tempfail, "its deadline passed"), {}, {}, {}, false});
}

void Replay::late(const std::shared_ptr<Item>& item, Completion completion) {
  settle_held(item->copy_id, completion.verdict.kind, completion.verdict.reason(),
              notes_of(item->message, completion, item->target_name));
}

void Replay::load(const std::string& copy_id) {
  const auto item = make_item(copy_id);
  ask(
      item, storage_, kStorageDeadlineMs,
      [this, &copy_id](Done done, lsmtpd_call& call) {
        return storage_.load(copy_id, std::move(done), call);
      },
      [this, item](Completion completion) { take_loaded(item, std::move(completion)); });
}

void Replay::take_loaded(const std::shared_ptr<Item>& item, Completion completion) {
  if (completion.verdict.kind != Kind::proceed || !completion.message) {
    if (completion.verdict.kind != Kind::reject)
      failed_ = true;  // gone or in quarantine is not a failure
    item_done(item);
    return;
  }
  item->message = std::move(*completion.message);
  item->target_name = completion.target;
  item->target = target_of(completion.target);
  if (!item->target) {
    log::warn(
        "replay_skipped",
        {{"copy", item->copy_id},
         {"plugin", storage_.name()},
         {"target", completion.target},
         {"hint", "no output of that name has this fallback: name it again, or remove the file"}});
    item_done(item);
  } else if (stopped_ || item->target->paused) {
    failed_ = true;
    item_done(item);
  } else {
    deliver(item);
  }
}

void Replay::deliver(const std::shared_ptr<Item>& item) {
  plugin::Lane& lane = *item->target->lane;
  const uint64_t deadline_ms = std::max(lane.instance().entry().deadline, kShortestDeadlineMs);
  item->delivering = true;
  ask(
      item, lane, deadline_ms,
      [&](Done done, lsmtpd_call& call) {
        return lane.deliver(item->message, {item->copy_id, {}, deadline_ms, true}, std::move(done),
                            call);
      },
      [this, item](Completion completion) { take_delivered(item, std::move(completion)); });
}

// A message that makes the broker drop the connection must not do so for ever: true when this one,
// alone each time, was lost with its connection once too often.
bool Replay::kills_connections(const Item& item, const plugin::Verdict& verdict) {
  if (verdict.enhanced != kConnectionLost || under_way_.size() > 1) return false;
  return ++lost_alone_[item.copy_id] >= kMostLostAlone;
}

void Replay::take_delivered(const std::shared_ptr<Item>& item, Completion completion) {
  auto& verdict = completion.verdict;
  if (verdict.kind == Kind::tempfail && kills_connections(*item, verdict)) {
    verdict.kind = Kind::reject;
    verdict.detail =
        fmt::format("lost alone with its connection {} times: {}", kMostLostAlone, verdict.detail);
  }
  if (verdict.kind != Kind::stored && verdict.kind != Kind::reject) {
    tempfailed(item, std::move(completion));
    return;
  }
  window_ = std::min(window_ * 2, kLargestWindow);
  lost_alone_.erase(item->copy_id);
  const bool refused = verdict.kind == Kind::reject;
  log::write(refused ? log::Level::error : log::Level::info, "replayed",
             std::vector<log::Field>{{"id", item->message.envelope->id},
                                     {"copy", item->copy_id},
                                     {"plugin", item->target->lane->name()},
                                     {"outcome", refused ? "dead_letter" : "stored"},
                                     {"detail", verdict.reason()}});
  remove(item, verdict.kind, verdict.reason(), [this, item] { item_done(item); });
}

// The target waits for the next pass; the others go on.
void Replay::tempfailed(const std::shared_ptr<Item>& item, Completion completion) {
  window_ = 1;
  failed_ = true;
  item->target->paused = true;
  if (all_paused()) queue_.clear();
  keep_notes(item, notes_of(item->message, completion, item->target_name),
             [this, item] { item_done(item); });
}

// Where part of a message is safe by now, what the output noted down must be there for the next try
// (promise P3).
void Replay::keep_notes(const std::shared_ptr<Item>& item, std::optional<Notes> notes,
                        io::Task then) {
  if (!notes) {
    then();
    return;
  }
  ask(
      item, storage_, kStorageDeadlineMs,
      [&](Done done, lsmtpd_call& call) {
        return storage_.deliver(notes->message, {item->copy_id, notes->target, 0, false},
                                std::move(done), call);
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
      [&](Done done, lsmtpd_call& call) {
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
