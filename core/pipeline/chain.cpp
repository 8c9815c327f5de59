#include "pipeline/chain.hpp"

#include <algorithm>

namespace lsmtpd::pipeline {

namespace {

void take_smaller(uint64_t& limit, uint64_t other) {
  if (other != 0 && (limit == 0 || other < limit)) limit = other;
}

void become_unready(plugin::Admission& all, const plugin::Lane& lane, const std::string& reason) {
  all.ready = false;
  all.reason += (all.reason.empty() ? "" : "; ") + lane.name() + ": " + reason;
}

}  // namespace

plugin::Admission Chain::admission() const {
  plugin::Admission all;
  for (auto* lane : admissions) {
    const auto one = lane->admission();
    take_smaller(all.max_message_size, one.max_message_size);
    if (!one.ready) become_unready(all, *lane, one.reason);
  }
  for (const auto& output : outputs) {
    const auto one = output.lane->admission();
    take_smaller(all.max_message_size, one.max_message_size);
    if (one.ready && !output.lane->failed()) continue;
    if (!output.fallback) {
      become_unready(all, *output.lane, one.reason);
    } else if (const auto second = output.fallback->admission(); !second.ready) {
      become_unready(all, *output.lane, one.reason);
      become_unready(all, *output.fallback, second.reason);
    }
  }
  return all;
}

}  // namespace lsmtpd::pipeline
