// SPDX-License-Identifier: Apache-2.0
// One chain as one worker sees it: the lanes of its steps, in order. Const after start-up. [loop]
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/deadlines.hpp"
#include "plugin/lane.hpp"

namespace lsmtpd::pipeline {

class Replay;

struct OutputStep {
  plugin::Lane* lane = nullptr;
  plugin::Lane* fallback = nullptr;  // may be null
  Replay* replay =
      nullptr;  // the fallback's, shared by all workers; null where there is no fallback
};

struct Chain {
  std::string name;
  std::vector<plugin::Lane*> filters;     // lsmtpd.filter/1, in order
  std::vector<plugin::Lane*> sessions;    // lsmtpd.session_filter/1, in order
  std::vector<plugin::Lane*> admissions;  // filters with lsmtpd.admission/1
  std::vector<OutputStep> outputs;
  uint64_t deadline_ms = 0;  // timeouts.chain
  Deadlines* deadlines = nullptr;

  // What can be taken now: the smallest size limit of all, and ready only if every filter is, and
  // every output or its fallback.
  // `limited_by`, where it is given, becomes the lane whose size limit that is, or null.
  plugin::Admission admission(const plugin::Lane** limited_by = nullptr) const;
};

}  // namespace lsmtpd::pipeline
