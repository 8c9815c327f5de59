// SPDX-License-Identifier: Apache-2.0
// The level of a log line.
#pragma once

namespace lsmtpd::log {

enum class Level { trace, debug, info, warn, error, off };

}  // namespace lsmtpd::log
