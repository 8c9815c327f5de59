// SPDX-License-Identifier: Apache-2.0
// The text format of Prometheus, version 0.0.4. Any thread.
#pragma once

#include <string>

#include "metrics/registry.hpp"

namespace lsmtpd::metrics {

inline constexpr const char* kTextType = "text/plain; version=0.0.4; charset=utf-8";

std::string to_text(const Snapshot& snapshot);

}  // namespace lsmtpd::metrics
