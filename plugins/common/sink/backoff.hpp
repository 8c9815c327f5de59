// SPDX-License-Identifier: Apache-2.0
// The pause before the next try: it doubles from `first_ms` to `last_ms` with each failure, less up
// to half of it by chance, so that those who failed together do not try again together.
//
// Pure: the dice are the caller's. failed() after each try in vain, succeeded() after a good one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lsmtpd::sink {

class Backoff {
 public:
  Backoff(std::uint64_t first_ms, std::uint64_t last_ms) : first_ms_(first_ms), last_ms_(last_ms) {}

  // Returns how long to wait, in milliseconds. `dice` is any random number.
  std::uint64_t failed(std::uint64_t dice) {
    const std::uint64_t pause =
        std::min(last_ms_, first_ms_ << std::min<std::size_t>(failures_++, 32));
    return pause - dice % (pause / 2 + 1);
  }
  void succeeded() { failures_ = 0; }

 private:
  std::uint64_t first_ms_;
  std::uint64_t last_ms_;
  std::size_t failures_ = 0;
};

}  // namespace lsmtpd::sink
