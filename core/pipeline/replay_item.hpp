// SPDX-License-Identifier: Apache-2.0
// One message that Replay is busy with, and the one question that is open about it. Only for
// Replay's own sources.
#pragma once

#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

struct Replay::Item {
  Item(Replay& r, std::string id)
      : replay(r), copy_id(std::move(id)), deadline([this] { replay.overdue(self.lock()); }) {}

  Replay& replay;
  const std::string copy_id;  // empty: the list
  std::weak_ptr<Item> self;
  message::Message message;
  std::string target_name;
  Target* target = nullptr;

  plugin::Lane* asked = nullptr;  // who has the call
  lsmtpd_call call = 0;
  plugin::Done then;  // who gets the answer
  bool delivering = false;
  Deadlines::Entry deadline;
};

// Puts a question to `lane`. `then` gets the answer, later and once; what takes too long is "not
// now".
template <class Ask>
void Replay::ask(const std::shared_ptr<Item>& item, plugin::Lane& lane, uint64_t deadline_ms,
                 Ask&& put, plugin::Done then) {
  item->asked = &lane;
  item->then = std::move(then);
  auto answer =
      put([this, item](plugin::Completion c) { answered(item, std::move(c)); }, item->call);
  if (answer) {
    loop_.defer([this, item, a = std::move(*answer)] { answered(item, a); });
  } else {
    loop_.deadlines().arm(item->deadline, deadline_ms);
  }
}

}  // namespace lsmtpd::pipeline
