// SPDX-License-Identifier: Apache-2.0
// The application's edits of header fields. Blocks where the message lies in a file.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <string>

#include "answer.hpp"

namespace filter_http {

// Removes, changes, then adds. Returns what went wrong; "": nothing.
std::string edit_header(const lsmtpd::sdk::FilterMessage& message, const Answer& answer);

}  // namespace filter_http
