// SPDX-License-Identifier: Apache-2.0
// What this build is: from CMake's project().
#pragma once

namespace lsmtpd::app {

inline constexpr const char* kVersion = LSMTPD_VERSION;
inline constexpr const char* kDefaultConfig = LSMTPD_SYSCONFDIR "/lsmtpd/lsmtpd.toml";

}  // namespace lsmtpd::app
