// SPDX-License-Identifier: Apache-2.0
// Switches that break durability on purpose, for the controls of the fault tests: with one of them
// set in the environment those tests must lose mail. Only the build that the tests make beside the
// plugin has them (LSMTPD_TEST_HOOKS); in the plugin itself they are empty.
//     LSMTPD_TEST_NO_FDATASYNC  files are not synced
//     LSMTPD_TEST_NO_FSYNC      directories are not synced
//     LSMTPD_TEST_EARLY_250     messages count as stored before they are written
#pragma once

#include <cstdlib>

namespace lsmtpd::json_spool {

inline bool test_hook([[maybe_unused]] const char* name) {
#ifdef LSMTPD_TEST_HOOKS
  return std::getenv(name) != nullptr;
#else
  return false;
#endif
}

}  // namespace lsmtpd::json_spool
