// SPDX-License-Identifier: Apache-2.0
// "100/1h", "10MiB/1d": so many in that time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::rate {

struct Rate {
  double amount = 0;
  double period_ms = 0;
  double per_ms() const { return amount / period_ms; }
};

// "100", or with `bytes` also "10KiB", "10MiB", "10GiB". Nothing: it is none, or 0.
std::optional<double> parse_amount(std::string_view text, bool bytes);

// `problem` says why there is none.
std::optional<Rate> parse_rate(std::string_view text, bool bytes, std::string& problem);

}  // namespace lsmtpd::rate
