// SPDX-License-Identifier: Apache-2.0
// The steps of an attempt to reach a broker; and the store of claim_check, which a probe tries
// first.
#pragma once

#include <string_view>

namespace lsmtpd::sink {

// In order; the numbers are the exit statuses of `check --live`. `attach` is the target: a link, or
// an exchange and its queue.
enum class Step {
  resolve = 10,
  connect = 11,
  tls = 12,
  sasl = 13,
  open = 14,
  attach = 15,
  claim_check = 16
};
std::string_view to_string(Step step);

}  // namespace lsmtpd::sink
