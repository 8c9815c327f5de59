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

plugin::Admission Chain::admission(const plugin::Lane** limited_by) const {
  plugin::Admission all;
  const plugin::Lane* smallest = nullptr;
  for (auto* lane : admissions) {
    const auto one = lane->admission();
    if (take_smaller(all.max_message_size, one.max_message_size)) smallest = lane;
    if (!one.ready) become_unready(all, *lane, one.reason);
  }
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
  if (limited_by) *limited_by = smallest;
  return all;
}

}  // namespace lsmtpd::pipeline
