// SPDX-License-Identifier: Apache-2.0
// Describes an exception that came out of a plugin.
#pragma once

#include <exception>
#include <string>

namespace lsmtpd::plugin {

// Inside a catch block only.
inline std::string thrown() {
  try {
    throw;
  } catch (const std::exception& e) {
    return std::string("it threw an exception: ") + e.what();
  } catch (...) {
    return "it threw something that is no std::exception";
  }
}

}  // namespace lsmtpd::plugin
