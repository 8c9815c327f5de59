// SPDX-License-Identifier: Apache-2.0
// Limits how many connections a second are tried to one address, for all workers of an instance:
// when a broker comes back, every worker of every host wants it.
//
// Half of a second's attempts may come at once; the others are spaced evenly, so that in no second
// there are more than allowed. An attempt that has to wait keeps its turn, and each lane has one at
// a time: the wait is bounded by the number of workers. Memory is bounded by what is tried within a
// second or waits. The clock is the caller's. [any]
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace lsmtpd::sink {

class AttemptGate {
 public:
  // Returns how long the attempt has to wait, in milliseconds; it counts as made from then on.
  // `a_second` is at least 1.
  std::uint64_t wait(const std::string& address, std::uint32_t a_second, std::uint64_t now_ms);

 private:
  void drop_old(std::uint64_t now_us);

  std::mutex mutex_;
  std::map<std::string, std::uint64_t> due_us_;  // when evenly spaced attempts would be through
};

}  // namespace lsmtpd::sink
