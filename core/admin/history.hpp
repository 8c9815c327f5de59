// SPDX-License-Identifier: Apache-2.0
// The last minutes of the counters that the page draws: a sample every few seconds, made of
// differences. [loop of the admin server]
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "metrics/registry.hpp"

namespace lsmtpd::admin {

class History {
 public:
  static constexpr uint64_t kStepMs = 5000;
  static constexpr size_t kSamples = 180;  // 15 minutes

  struct Sample {
    double accepted = 0, refused = 0, bytes = 0;  // a second; accepted: stored or discarded
    double connections = 0;                       // at that moment
    // Of the chains' durations in this step, in seconds; negative: there was no message. By the
    // bounds of the histogram's buckets, so no finer than those.
    double median = -1, p95 = -1;
  };

  // Takes a sample; `now_ms` is monotonic.
  void take(const metrics::Snapshot& snapshot, uint64_t now_ms);
  const std::deque<Sample>& samples() const { return samples_; }  // the oldest first

 private:
  struct Totals {
    uint64_t at_ms = 0;
    double accepted = 0, refused = 0, bytes = 0, connections = 0;
    std::vector<uint64_t> buckets;
    std::vector<double> bounds;
  };
  static Totals totals_of(const metrics::Snapshot& snapshot);

  Totals before_;
  std::deque<Sample> samples_;
};

// The value below which `share` (0 to 1) of the counted ones are, within its bucket by its place;
// in the bucket without an end its beginning. Negative: nothing was counted.
double quantile(const std::vector<uint64_t>& buckets, const std::vector<double>& bounds,
                double share);

}  // namespace lsmtpd::admin
