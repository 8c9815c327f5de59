// SPDX-License-Identifier: Apache-2.0
// File names in the spool: "<copy_id>.json". A copy_id is checked before it becomes a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

// Letters, digits, "-", "_" and ".", not beginning with ".", at most 200.
bool valid_id(std::string_view id);

std::string file_name(std::string_view id);

// The id that a file name stands for; nothing where the file is none of ours.
std::optional<std::string> id_of(std::string_view file_name);

// Beside a dead letter: why it is dead.
std::string reason_name(std::string_view id);

}  // namespace lsmtpd::json_spool
