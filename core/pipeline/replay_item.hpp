// SPDX-License-Identifier: Apache-2.0
// One message that Replay is busy with, and the one question that is open about it. Only for
// Replay's own sources.
#pragma once

#include "pipeline/replay.hpp"
#include "plugin/pending_call.hpp"

namespace lsmtpd::pipeline {

struct Replay::Item {
  Item(Replay& r, std::string id)
      : replay(r),
        keeps(r.weak_from_this().lock()),
        copy_id(std::move(id)),
        call([this] { replay.overdue(self.lock()); }) {}

  Replay& replay;
  const std::shared_ptr<Replay> keeps;
  const std::string copy_id;  // empty: the list
  std::weak_ptr<Item> self;
  uint64_t bytes = 0;  // that it counts for among those under way
  message::Message message;
  plugin::DeliveryFacts stored;  // as it was stored
  Target* target = nullptr;
  std::shared_ptr<plugin::Lane> lane;  // the target's, when it was asked

  plugin::PendingCall call;
  plugin::Done then;  // gets the answer
  bool delivering = false;
};

// Puts a question to `lane`. `then` gets the answer, later and once; tempfail after the deadline.
template <class Ask>
void Replay::ask(const std::shared_ptr<Item>& item, plugin::Lane& lane, uint64_t deadline_ms,
                 Ask&& put, plugin::Done then) {
  item->then = std::move(then);
  auto answer = item->call.put(
      lane, loop_.deadlines(), deadline_ms,
      [this, item](plugin::Completion c) { answered(item, std::move(c)); }, std::forward<Ask>(put));
  if (!answer) return;
  const auto a = std::make_shared<plugin::Completion>(std::move(*answer));  // a task can be copied
  loop_.defer([this, item, a] { answered(item, std::move(*a)); });
}

}  // namespace lsmtpd::pipeline
