// SPDX-License-Identifier: Apache-2.0
// File names in the spool: "<copy_id>.json". A copy_id is checked before it becomes a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

// Letters, digits, "-", "_" and ".", not beginning with ".", at most 200.
bool valid_id(std::string_view id);

// As an output the spool names files by the message's id, as LSMTPD did, and where the message took
// a route, by the route's name too: the copy's id without the spool's own name at its end.
std::string output_id(std::string_view copy_id, std::string_view spool);

std::string file_name(std::string_view id);

// Returns the id in a file name; nothing where the file is not one of the spool's.
std::optional<std::string> id_of(std::string_view file_name);

// The name of the file beside a dead letter with the reason.
std::string reason_name(std::string_view id);

}  // namespace lsmtpd::json_spool
