// SPDX-License-Identifier: Apache-2.0
// One stored message as the command line prints it. [main]
#pragma once

#include <cstdint>
#include <string>

#include "store.hpp"

namespace lsmtpd::json_spool {

// A line for `ls`, and the whole for `show`; safe for a terminal.
std::string entry_line(const Entry& entry, bool with_subject);
std::string entry_text(const Entry& entry);
// One JSON object and a line end.
std::string entry_json(const Entry& entry, bool with_subject);

// "1.5 KiB"
std::string size_text(std::uint64_t bytes);
// "3 d 4 h", "12 min"; of a time in the future: "0 s".
std::string age_text(std::int64_t ns);

}  // namespace lsmtpd::json_spool
