// SPDX-License-Identifier: Apache-2.0
#include "base/deadlines.hpp"

namespace lsmtpd {

void Deadlines::Hook::insert_before(Hook& at) {
  next = &at;
  previous = at.previous;
  previous->next = this;
  at.previous = this;
}

void Deadlines::Hook::remove() {
  next->previous = previous;
  previous->next = next;
  next = previous = this;
}

Deadlines::~Deadlines() {
  for (auto& [delay, head] : lists_) {
    while (head.linked()) head.next->remove();
  }
}

void Deadlines::arm(Entry& entry, uint64_t delay_ms) {
  entry.disarm();
  if (delay_ms == 0) return;
  entry.at_ = now_ + delay_ms;
  entry.insert_before(lists_[delay_ms]);
}

// Due entries are taken out first, so that an entry armed by a callback expires in a later call.
void Deadlines::advance(uint64_t now_ms) {
  now_ = now_ms;
  Hook due;
  for (auto& [delay, head] : lists_) {
    while (head.linked()) {
      auto& first = static_cast<Entry&>(*head.next);
      if (first.at_ > now_ms) break;
      first.disarm();
      first.insert_before(due);
    }
  }
  while (due.linked()) {
    auto& first = static_cast<Entry&>(*due.next);
    first.disarm();
    auto expired = first.expired_;  // a copy: the call may destroy the entry
    expired();
  }
}

}  // namespace lsmtpd
