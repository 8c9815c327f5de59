// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <optional>

#include "file_names.hpp"

namespace lsmtpd::json_spool {

const char* const kCommandUsage =
    "ls [--dead] [--quarantine] [--all] [--json]    what is in the spool, a line each\n"
    "show ID... [--json]                            envelope and header of a message\n"
    "export ID [-o FILE]                            the message itself, as .eml\n"
    "rm ID... | rm --dead|--quarantine --all        removes for good\n"
    "retry ID... | retry --all                      dead letters and quarantine back into the "
    "spool\n"
    "Without --dead or --quarantine an ID is looked for in all of them. Works beside a running\n"
    "daemon: what is gone meanwhile is skipped.\n";

namespace {

std::optional<Action> action_of(std::string_view word) {
  if (word == "ls") return Action::ls;
  if (word == "show") return Action::show;
  if (word == "export") return Action::export_;
  if (word == "rm") return Action::rm;
  if (word == "retry") return Action::retry;
  return std::nullopt;
}

// False: there is no such option.
bool take_option(std::string_view word, CommandLine& line) {
  if (word == "--dead") return line.dead = true;
  if (word == "--quarantine") return line.quarantine = true;
  if (word == "--all") return line.all = true;
  if (word == "--json") return line.json = true;
  return false;
}

std::string check_ids(CommandLine& line, bool named_state) {
  if (line.action == Action::ls) return line.ids.empty() ? "" : "ls takes no ID";
  if (line.action == Action::export_) {
    return line.ids.size() == 1 && !line.all ? "" : "export takes one ID";
  }
  if (line.all != line.ids.empty()) return line.all ? "--all takes no ID" : "an ID is missing";
  if (line.all && line.action == Action::rm && !named_state) {
    return "rm --all wants --dead or --quarantine";
  }
  return "";
}

void choose_states(CommandLine& line, bool named_state) {
  const bool every = !line.all || line.action == Action::show;
  if (line.action == Action::ls) {
    line.waiting = !named_state || line.all;
    line.dead = line.dead || line.all;
    line.quarantine = line.quarantine || line.all;
  } else if (line.action == Action::retry) {
    line.quarantine = line.quarantine || (!named_state && !line.all);
    line.dead = line.dead || !named_state;
  } else if (!named_state) {
    line.waiting = true;
    line.dead = every;
    line.quarantine = every;
  }
}

}  // namespace

tl::expected<CommandLine, std::string> parse_command_line(
    const std::vector<std::string_view>& arguments) {
  CommandLine line;
  if (arguments.empty()) return tl::make_unexpected("a command is missing");
  const auto action = action_of(arguments[0]);
  if (!action) return tl::make_unexpected("there is no command " + std::string(arguments[0]));
  line.action = *action;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "-o" || word == "--output") {
      if (++i == arguments.size()) return tl::make_unexpected("-o wants a file");
      line.output = arguments[i];
    } else if (word.starts_with('-')) {
      if (!take_option(word, line)) {
        return tl::make_unexpected("there is no option " + std::string(word));
      }
    } else if (!valid_id(word)) {
      return tl::make_unexpected("this is no ID: " + std::string(word));
    } else {
      line.ids.emplace_back(word);
    }
  }
  if (!line.output.empty() && line.action != Action::export_) {
    return tl::make_unexpected("-o belongs to export");
  }
  const bool named_state = line.dead || line.quarantine;
  if (std::string problem = check_ids(line, named_state); !problem.empty()) {
    return tl::make_unexpected(std::move(problem));
  }
  choose_states(line, named_state);
  return line;
}

}  // namespace lsmtpd::json_spool
