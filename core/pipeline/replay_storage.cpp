// SPDX-License-Identifier: Apache-2.0
// Replay: a stored copy that has its outcome, or a part of it, leaves its storage or changes there.
#include <optional>
#include <utility>

#include "pipeline/replay.hpp"
#include "pipeline/replay_item.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Done;
using plugin::Kind;

// A copy has its outcome, perhaps for some of its recipients only: the others are stored anew
// first.
void Replay::settle(const std::shared_ptr<Item>& item, Kind outcome, const std::string& reason,
                    std::optional<StoredChange> change, io::Task then) {
  if (outcome == Kind::stored) change.reset();
  keep_change(item, std::move(change), [this, item, outcome, reason, then = std::move(then)] {
    remove(item, outcome, reason, then);
  });
}

// Where part of a message is safe by now, or is in doubt, the storage must know for the next try
// (promise P3).
void Replay::keep_change(const std::shared_ptr<Item>& item, std::optional<StoredChange> change,
                         io::Task then) {
  if (!change || !change->message.envelope) {
    then();
    return;
  }
  ask(
      item, *storage_, kStorageDeadlineMs,
      [&](Done done, plugin::CallId& call) {
        plugin::DeliveryFacts how = change->stored;
        how.copy_id = item->copy_id;
        how.deadline_ms = 0;
        how.replay = false;
        return storage_->deliver(change->message, std::move(how), std::move(done), call);
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
      item, *storage_, kStorageDeadlineMs,
      [&](Done done, plugin::CallId& call) {
        return outcome == Kind::stored
                   ? storage_->forget(item->copy_id, std::move(done), call)
                   : storage_->dead_letter(item->copy_id, reason, std::move(done), call);
      },
      [this, item, outcome, reason, then = std::move(then)](const Completion& completion) {
        if (completion.verdict.kind == Kind::stored) {
          to_remove_.erase(item->copy_id);
          expired_.erase(item->copy_id);
          backlog_.left(outcome == Kind::stored);
        } else {
          to_remove_[item->copy_id] = {outcome, reason};
          give_up_pass();
        }
        then();
      });
}

}  // namespace lsmtpd::pipeline
