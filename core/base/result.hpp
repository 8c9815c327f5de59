// SPDX-License-Identifier: Apache-2.0
// The result of an operation that can fail: a value, or an Error with a message for the operator.
// Exceptions are for start-up only; none crosses the plugin ABI.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>

namespace lsmtpd {

struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace lsmtpd
