// SPDX-License-Identifier: Apache-2.0
// The words of the configuration that stand for values, once for reading and printing.
#pragma once

#include <array>
#include <string_view>

#include "config/config.hpp"

namespace lsmtpd::config {

template <class Value>
struct Name {
  std::string_view name;
  Value value;
};

inline constexpr std::array<Name<Protocol>, 2> protocol_names{
    {{"smtp", Protocol::smtp}, {"lmtp", Protocol::lmtp}}};
inline constexpr std::array<Name<BareLf>, 2> bare_lf_names{
    {{"reject", BareLf::reject}, {"normalize", BareLf::normalize}}};
inline constexpr std::array<Name<OnFailure>, 3> on_failure_names{
    {{"tempfail", OnFailure::tempfail},
     {"reject", OnFailure::reject},
     {"continue", OnFailure::proceed}}};

inline constexpr std::array<std::string_view, 6> level_names{"trace", "debug", "info",
                                                             "warn",  "error", "off"};
inline constexpr std::array<std::string_view, 2> format_names{"text", "json"};

template <class Value, size_t N>
std::string_view name_of(const std::array<Name<Value>, N>& names, Value value) {
  for (const Name<Value>& name : names) {
    if (name.value == value) return name.name;
  }
  return {};
}

}  // namespace lsmtpd::config
