// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain.hpp"

#include <algorithm>

#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

namespace {

// True: `other` is the smaller one.
bool take_smaller(uint64_t& limit, uint64_t other) {
  const bool smaller = other != 0 && (limit == 0 || other < limit);
  if (smaller) limit = other;
  return smaller;
}

void become_unready(plugin::Admission& all, const plugin::Lane& lane, const std::string& reason) {
  all.ready = false;
  all.reason += (all.reason.empty() ? "" : "; ") + lane.name() + ": " + reason;
}

}  // namespace

plugin::Admission readiness(plugin::Lane& output) {
  auto said = output.admission();
  if (said.ready && output.failed()) {
    said.ready = false;
    said.reason = "too many calls are stuck";
  }
  return said;
}

namespace {

// Filters that are asked before a message is read.
void ask_filters(const std::vector<plugin::Lane*>& admissions, plugin::Admission& all,
                 const plugin::Lane*& smallest) {
  for (auto* lane : admissions) {
    const auto one = lane->admission();
    if (take_smaller(all.max_message_size, one.max_message_size)) smallest = lane;
    if (!one.ready) become_unready(all, *lane, one.reason);
  }
}

}  // namespace

void Route::add_to(plugin::Admission& all, const plugin::Lane*& smallest) const {
  ask_filters(admissions, all, smallest);
  for (const auto& output : outputs) {
    auto one = readiness(*output.lane);
    if (take_smaller(all.max_message_size, one.max_message_size)) smallest = output.lane;
    // Held and without a fallback it is not asked either; its mail gets 451 at the end of the data.
    if (one.ready && output.fallback && output.lane->instance().is_held())
      one = {.ready = false, .reason = plugin::kHeldReason};
    if (one.ready) continue;
    if (!output.fallback) {
      become_unready(all, *output.lane, one.reason);
      continue;
    }
    const auto second = readiness(*output.fallback);
    const auto stopped =
        output.replay ? output.replay->stopped_for(output.lane->name()) : std::nullopt;
    if (second.ready && !stopped) continue;
    become_unready(all, *output.lane, one.reason);
    become_unready(all, *output.fallback, second.ready ? *stopped : second.reason);
  }
}

plugin::Admission Route::admission(const plugin::Lane** limited_by) const {
  plugin::Admission all;
  const plugin::Lane* smallest = nullptr;
  add_to(all, smallest);
  if (limited_by) *limited_by = smallest;
  return all;
}

std::optional<size_t> Chain::route_of(std::string_view address) const {
  if (!table) return 0;
  const auto number = table->find(address);
  return number ? std::optional<size_t>(*number) : std::nullopt;
}

plugin::Admission Chain::admission(const plugin::Lane** limited_by) const {
  plugin::Admission all;
  const plugin::Lane* smallest = nullptr;
  ask_filters(admissions, all, smallest);
  if (table) {
    add_any_route(all, smallest);
  } else {
    own().add_to(all, smallest);
  }
  if (limited_by) *limited_by = smallest;
  return all;
}

// Of the routes, the largest limit is announced: the others' are held against their recipients.
void Chain::add_any_route(plugin::Admission& all, const plugin::Lane*& smallest) const {
  bool some_ready = false;
  std::string reasons;
  std::optional<uint64_t> largest;
  const plugin::Lane* of_largest = nullptr;
  for (const auto& route : routes) {
    const plugin::Lane* lane = nullptr;
    const auto one = route.admission(&lane);
    some_ready = some_ready || one.ready;
    if (!one.ready) reasons += (reasons.empty() ? "" : "; ") + one.reason;
    const bool larger =
        !largest ||
        (*largest != 0 && (one.max_message_size == 0 || one.max_message_size > *largest));
    if (!larger) continue;
    largest = one.max_message_size;
    of_largest = lane;
  }
  if (!some_ready) {
    all.ready = false;
    all.reason += (all.reason.empty() ? "" : "; ") + reasons;
  }
  if (take_smaller(all.max_message_size, *largest)) smallest = of_largest;
}

}  // namespace lsmtpd::pipeline
