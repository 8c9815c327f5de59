// SPDX-License-Identifier: Apache-2.0
// Version and default configuration file of this build, from CMake.
#pragma once

namespace lsmtpd::app {

inline constexpr const char* kVersion = LSMTPD_VERSION;
inline constexpr const char* kDefaultConfig = LSMTPD_SYSCONFDIR "/lsmtpd/lsmtpd.toml";

}  // namespace lsmtpd::app
