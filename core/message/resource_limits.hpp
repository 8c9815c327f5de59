// SPDX-License-Identifier: Apache-2.0
// Where bodies may live, and how much of it there is: shared by all workers, const but for its
// budgets.
#pragma once

#include <string>

#include "base/budget.hpp"

namespace lsmtpd::message {

struct ResourceLimits {
  // `file_limit`: how many spilled bodies there may be, of the process's descriptors.
  ResourceLimits(uint64_t memory_limit, uint64_t spill_limit, std::string directory,
                 uint64_t file_limit = UINT64_MAX)
      : memory(memory_limit),
        spill(spill_limit),
        spill_files(file_limit),
        spill_directory(std::move(directory)) {}

  // A body stays in memory while the process uses less than this; past it the body goes to its
  // file. What is left up to the hard limit is for the pieces that are on their way there, for
  // envelopes, replies and outputs.
  uint64_t soft_limit() const { return memory.limit() / 4 * 3; }

  Budget memory;
  Budget spill;
  Budget spill_files;
  std::string spill_directory;
};

}  // namespace lsmtpd::message
