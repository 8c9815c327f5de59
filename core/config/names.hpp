// SPDX-License-Identifier: Apache-2.0
// The words of the configuration that stand for values, once for reading and printing: each list in
// the order of its enumerators.
#pragma once

#include <array>
#include <string_view>

#include "config/config.hpp"

namespace lsmtpd::config {

template <class Enum>
struct Names;

template <>
struct Names<Protocol> {
  static constexpr std::array<std::string_view, 2> kAll{"smtp", "lmtp"};
};
template <>
struct Names<BareLf> {
  static constexpr std::array<std::string_view, 2> kAll{"reject", "normalize"};
};
template <>
struct Names<ListenerTls> {
  static constexpr std::array<std::string_view, 5> kAll{"off", "starttls", "required", "implicit",
                                                        "proxy"};
};
template <>
struct Names<ClientCertificate> {
  static constexpr std::array<std::string_view, 3> kAll{"none", "request", "require"};
};
template <>
struct Names<TlsVersion> {
  static constexpr std::array<std::string_view, 2> kAll{"1.2", "1.3"};
};
template <>
struct Names<Auth> {
  static constexpr std::array<std::string_view, 3> kAll{"off", "optional", "required"};
};
template <>
struct Names<Unmatched> {
  static constexpr std::array<std::string_view, 2> kAll{"steps", "reject"};
};
template <>
struct Names<RouteMix> {
  static constexpr std::array<std::string_view, 2> kAll{"deliver", "defer"};
};
template <>
struct Names<OnFailure> {
  static constexpr std::array<std::string_view, 3> kAll{"tempfail", "reject", "continue"};
};

inline constexpr std::array<std::string_view, 6> kLevelNames{"trace", "debug", "info",
                                                             "warn",  "error", "off"};
inline constexpr std::array<std::string_view, 2> kFormatNames{"text", "json"};
inline constexpr std::array<std::string_view, 3> kAddressNames{"full", "domain", "hash"};

}  // namespace lsmtpd::config
