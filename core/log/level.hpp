// The level of a log line.
#pragma once

namespace lsmtpd::log {

enum class Level { trace, debug, info, warn, error, off };

}  // namespace lsmtpd::log
