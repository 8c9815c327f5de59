// SPDX-License-Identifier: Apache-2.0
#include "admin/history.hpp"

#include <algorithm>
#include <numeric>

#include "metrics/families.hpp"

namespace lsmtpd::admin {

namespace {

double sum_of(const metrics::FamilyValues& family) {
  double sum = 0;
  for (const auto& series : family.series) sum += series.value;
  return sum;
}

}  // namespace

History::Totals History::totals_of(const metrics::Snapshot& snapshot) {
  Totals totals;
  for (const auto& family : snapshot) {
    const auto& name = family.info.name;
    if (name == metrics::kMessages.name) {
      for (const auto& series : family.series) {
        const auto& result = series.labels.back();
        if (result == "stored" || result == "discarded") totals.accepted += series.value;
      }
    } else if (name == metrics::kRefusals.name) {
      totals.refused = sum_of(family);
    } else if (name == metrics::kReceivedBytes.name) {
      totals.bytes = sum_of(family);
    } else if (name == metrics::kConnections.name) {
      totals.connections = sum_of(family);
    } else if (name == metrics::kChainDuration.name) {
      totals.bounds = family.info.bounds;
      totals.buckets.resize(totals.bounds.size() + 1);
      for (const auto& series : family.series) {
        for (size_t i = 0; i < series.buckets.size(); ++i) totals.buckets[i] += series.buckets[i];
      }
    }
  }
  return totals;
}

void History::take(const metrics::Snapshot& snapshot, uint64_t now_ms) {
  Totals now = totals_of(snapshot);
  now.at_ms = now_ms;
  if (before_.at_ms != 0 && now_ms > before_.at_ms) {
    const double seconds = static_cast<double>(now_ms - before_.at_ms) / 1000;
    auto buckets = now.buckets;
    for (size_t i = 0; i < buckets.size() && i < before_.buckets.size(); ++i)
      buckets[i] -= std::min(buckets[i], before_.buckets[i]);
    samples_.push_back({.accepted = (now.accepted - before_.accepted) / seconds,
                        .refused = (now.refused - before_.refused) / seconds,
                        .bytes = (now.bytes - before_.bytes) / seconds,
                        .connections = now.connections,
                        .median = quantile(buckets, now.bounds, 0.5),
                        .p95 = quantile(buckets, now.bounds, 0.95)});
    if (samples_.size() > kSamples) samples_.pop_front();
  }
  before_ = std::move(now);
}

double quantile(const std::vector<uint64_t>& buckets, const std::vector<double>& bounds,
                double share) {
  const uint64_t count = std::accumulate(buckets.begin(), buckets.end(), uint64_t{0});
  if (count == 0) return -1;
  const double rank = share * static_cast<double>(count);
  double before = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const auto here = static_cast<double>(buckets[i]);
    const double from = i == 0 ? 0 : bounds[i - 1];
    if (i == bounds.size()) return from;
    if (before + here >= rank && here > 0)
      return from + (bounds[i] - from) * std::max(0.0, rank - before) / here;
    before += here;
  }
  return bounds.empty() ? 0 : bounds.back();
}

}  // namespace lsmtpd::admin
