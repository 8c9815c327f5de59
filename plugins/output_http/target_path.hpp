// SPDX-License-Identifier: Apache-2.0
// The path and query that a template becomes. Pure.
#pragma once

#include <string_view>

namespace lsmtpd::output_http {

// A segment of the path is "." or "..", also where it is percent-encoded: servers resolve such
// paths after they have decoded them, so a client's value could leave the folder that it stands in.
bool leaves_its_place(std::string_view path_and_query);

}  // namespace lsmtpd::output_http
