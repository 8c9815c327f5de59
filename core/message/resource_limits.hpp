// SPDX-License-Identifier: Apache-2.0
// The budgets and the folder for bodies: shared by all workers, const except for the budgets, whose
// limits a reload may change.
#pragma once

#include <atomic>
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
  // file. The rest up to the hard limit is for pieces on their way to the files, for envelopes,
  // replies and outputs.
  uint64_t soft_limit() const { return memory.limit() / 4 * 3; }

  Budget memory;
  Budget spill;
  Budget spill_files;
  std::string spill_directory;
  std::atomic<uint64_t> message_size{0};  // the largest message that a filter may make; 0: no limit
};

}  // namespace lsmtpd::message
