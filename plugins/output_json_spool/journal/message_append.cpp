// SPDX-License-Identifier: Apache-2.0
#include "journal/message_append.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace lsmtpd::journal {

void MessageAppend::prepare(NewCopy copy, const Key& key) {
  copy_ = std::move(copy);
  key_ = key;
}

Group::Message MessageAppend::message() const {
  return {copy_.id, copy_.meta, copy_.content_size, copy_.body,
          time_ns_, copy_.dead, copy_.in_doubt};
}

const Copy* MessageAppend::older(const State& state) const {
  return state.index.find(copy_.from ? copy_.from_key : key_);
}

void MessageAppend::put(Group& group, State& state) {
  {
    const std::lock_guard lock(state.mutex);
    const Copy* before = older(state);
    if (copy_.from && (before == nullptr || !(before->place == *copy_.from))) return;
    time_ns_ = before != nullptr ? before->time_ns : copy_.time_ns;
  }
  const std::uint32_t position = group.open(message());
  const bool read = copy_.body || content([&](std::string_view piece) {
                      group.content(piece);
                      return true;
                    });
  if (!read) group.drop();
  if (!read || !group.close()) {
    unread_ = true;
    return;
  }
  position_ = position;
  bytes_ = group.record_size();
  const std::lock_guard lock(state.mutex);
  state.hold_body(body_number());
}

void MessageAppend::settle(State& state, std::uint32_t slot) {
  if (!position_) {
    give_up(state, slot);
    return;
  }
  const Place place{slot, *position_};
  if (copy_.from) {
    const Copy* before = older(state);
    if (before == nullptr || !(before->place == *copy_.from)) {
      state.discard(place, body_number());
      return;
    }
    // Its removal goes into a later group: of one group a power cut may leave the removal without
    // the record that takes its place.
    if (changes_state()) state.remove(copy_.from_key);
  }
  Copy copy;
  copy.key = key_;
  copy.time_ns = time_ns_;
  copy.place = place;
  copy.bytes = bytes_;
  copy.dead = copy_.dead;
  copy.in_doubt = copy_.in_doubt;
  copy.apart = copy_.body.has_value();
  if (copy.apart) {
    const std::uint64_t kib = (copy_.content_size + 1023) / 1024;
    copy.body_kib = static_cast<std::uint32_t>(std::min<std::uint64_t>(kib, UINT32_MAX));
  }
  state.put(copy, body_number());
  place_ = place;
}

// The file of its content goes only once nothing on the disk names it: parts of the record may be
// found again.
void MessageAppend::give_up(State& state, std::uint32_t slot) {
  if (position_) {
    if (copy_.body) state.discard({slot, *position_}, body_number());
  } else if (has_body()) {
    state.orphans.push_back(body_number());
  }
}

}  // namespace lsmtpd::journal
