// SPDX-License-Identifier: Apache-2.0
// Compiled, not run: a log call with an event of the table compiles; with -DUNKNOWN or -DLEVEL it
// must not.
#include "log/log.hpp"

void say() {
#if defined(UNKNOWN)
  lsmtpd::log::info("acepted", {{"id", "x"}});
#elif defined(LEVEL)
  lsmtpd::log::error("accepted", {{"id", "x"}});
#else
  lsmtpd::log::info("accepted", {{"id", "x"}});
#endif
}
