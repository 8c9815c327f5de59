// SPDX-License-Identifier: Apache-2.0
// The arguments of `lsmtpd spool`.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace lsmtpd::json_spool {

enum class Action { ls, show, export_, rm, retry };

struct CommandLine {
  Action action = Action::ls;
  std::vector<std::string> ids;
  bool waiting = false;  // which of the three folders; set by the parser where none was named
  bool dead = false;
  bool quarantine = false;
  bool all = false;  // every message there, not only those named
  bool json = false;
  std::string output;  // -o; empty: standard output
};

extern const char* const kCommandUsage;

// The error is one line; the usage is to be shown below.
tl::expected<CommandLine, std::string> parse_command_line(
    const std::vector<std::string_view>& arguments);

}  // namespace lsmtpd::json_spool
