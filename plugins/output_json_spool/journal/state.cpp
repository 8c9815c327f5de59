// SPDX-License-Identifier: Apache-2.0
#include "journal/state.hpp"

namespace lsmtpd::journal {

void State::count(const Copy& copy, bool add) {
  const std::uint64_t one = add ? 1 : UINT64_MAX;  // added modulo 2^64
  const std::uint64_t body = std::uint64_t{copy.body_kib} * 1024;
  (copy.dead ? totals.dead : totals.waiting) += one;
  if (!copy.dead) totals.waiting_bytes += add ? copy.size() : 0 - copy.size();
  totals.body_bytes += add ? body : 0 - body;
}

void State::release(const Copy& copy) {
  std::uint64_t body = 0;
  if (const auto found = bodies_.find(packed(copy.place)); found != bodies_.end()) {
    body = found->second;
    bodies_.erase(found);
  }
  count(copy, false);
  segments.died(copy.place, copy.bytes);
  pending.push_back({copy.place, segments.at(copy.place.slot).header.sequence, body, false});
}

void State::put(const Copy& copy, std::uint64_t body) {
  if (const Copy* older = index.find(copy.key)) release(*older);
  index.put(copy);
  segments.born(copy.place, copy.bytes);
  if (body != 0) bodies_[packed(copy.place)] = body;
  count(copy, true);
}

bool State::remove(const Key& key) {
  const Copy* copy = index.find(key);
  if (copy == nullptr) return false;
  release(*copy);
  index.erase(key);
  return true;
}

void State::hold_body(std::uint64_t body) {
  if (body != 0) ++body_holds_[body];
}

void State::drop_body(std::uint64_t body) {
  const auto holds = body_holds_.find(body);
  if (holds == body_holds_.end() || --holds->second > 0) return;
  body_holds_.erase(holds);
  orphans.push_back(body);
}

void State::discard(const Place& place, std::uint64_t body) {
  pending.push_back({place, segments.at(place.slot).header.sequence, body, false});
}

}  // namespace lsmtpd::journal
