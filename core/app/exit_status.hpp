// SPDX-License-Identifier: Apache-2.0
// Exit statuses of lsmtpd.
#pragma once

namespace lsmtpd::app {

inline constexpr int kExitOk = 0, kExitFailed = 1, kExitUsage = 2;

}  // namespace lsmtpd::app
