// SPDX-License-Identifier: Apache-2.0
// The arguments of `lsmtpd spool`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "selection.hpp"
#include "store.hpp"

namespace lsmtpd::json_spool {

enum class Action { summary, ls, show, export_, rm, retry, import, move };

struct CommandLine {
  Action action = Action::ls;
  std::vector<std::string> ids;  // each may be the beginning of an ID
  bool ids_from_input = false;   // "-": a line each on standard input
  States states;                 // where to look; never none after parsing
  bool all = false;              // every message there
  Selection selection;
  bool json = false;
  bool subject = false;
  bool held = false;      // the operator says that nothing is under way
  std::string output;     // -o; empty: standard output
  std::string directory;  // of export, import and move; empty: none

  // True where the messages come from a selection and not from IDs.
  bool selects() const { return ids.empty() && !ids_from_input; }
};

extern const char* const kCommandUsage;

// The error is one line; the usage is to be shown below.
tl::expected<CommandLine, std::string> parse_command_line(
    const std::vector<std::string_view>& arguments);

}  // namespace lsmtpd::json_spool
