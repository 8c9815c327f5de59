// SPDX-License-Identifier: Apache-2.0
// The fields of a request: the envelope and the annotations as the brokers' outputs give them, with
// "-" for "_", which some servers drop. Pure.
#pragma once

#include <sink/job.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http_options.hpp"

namespace lsmtpd::output_http {

bool is_field_name(std::string_view name);
// Printable ASCII, spaces included.
bool is_printable(std::string_view value);
// lsmtpd sets it itself, or libcurl does.
bool is_own_field(std::string_view name);
// The line is a field of this name, in small letters.
bool is_field(std::string_view line, std::string_view name);

// "Name: value"; as libcurl wants it where the value is empty.
std::string field(std::string_view name, std::string_view value);

// All fields that depend on the message, but those of the signature.
std::vector<std::string> fields_of(const sink::Part& part, const Options& options);

}  // namespace lsmtpd::output_http
