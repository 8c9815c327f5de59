// SPDX-License-Identifier: Apache-2.0
// The results: counts, times and wrong replies, and their line of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace lsmtpd::bench {

class Tally {
 public:
  // A message's times: its first octet sent (or connect), its last octet sent, its final reply.
  void delivered(Clock::time_point began, Clock::time_point sent, Clock::time_point replied);
  void failed(std::string_view problem);
  // Resets the counts from before the measurement; failures stay.
  void begin(Clock::time_point now);
  // `stop`: since when no message is begun.
  void end(Clock::time_point now, Clock::time_point stop) {
    end_ = now;
    stop_ = stop;
  }

  std::uint64_t failures() const { return failures_; }
  // One line; sorts the times.
  std::string json(const Options& options);

 private:
  std::vector<float> reply_ms_, message_ms_;
  std::uint64_t failures_ = 0;
  std::vector<std::string> problems_;  // the first few
  Clock::time_point begin_, end_, stop_;
};

}  // namespace lsmtpd::bench
