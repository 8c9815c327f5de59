// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <charconv>
#include <optional>

#include "file_names.hpp"

namespace lsmtpd::json_spool {

const char* const kCommandUsage =
    "summary [STATE] [SELECT] [--json]    how many, by output, reason, age and domain\n"
    "ls [STATE] [SELECT] [--subject] [--json]    a line each, the oldest first\n"
    "show ID... [STATE] [--json]    envelope and header of a message\n"
    "export ID [STATE] [-o FILE]    the message itself, as .eml\n"
    "export ID...|SELECT|--all [STATE] --dir DIR    one file each, DIR/ID.eml\n"
    "rm ID...|SELECT|--all [STATE]    removes for good\n"
    "retry ID...|SELECT|--all [STATE]    dead letters and quarantine back into the spool\n"
    "import DIR    takes over messages that LSMTPD or another lsmtpd left in DIR\n"
    "move ID...|SELECT|--all [STATE] --to DIR [--held]    takes them out of the spool, into DIR\n"
    "STATE: --waiting --dead --quarantine, or for ls and summary --all; by default those that\n"
    "wait, for retry the dead letters, for an ID all of them; rm --all wants one named.\n"
    "SELECT: --from ADDRESS --to ADDRESS (move: --recipient) --reason TEXT --message-id TEXT\n"
    "--for OUTPUT --older AGE --limit COUNT. An ADDRESS may have * in it; a domain means all of\n"
    "it, <> the null sender. AGE: 90s, 30m, 2h, 5d.\n"
    "ID: its beginning is enough where only one has it; - reads IDs from standard input.\n"
    "Works beside a running daemon: what is gone meanwhile is skipped.\n";

namespace {

using Problem = std::string;  // empty: none

std::optional<Action> action_of(std::string_view word) {
  if (word == "summary") return Action::summary;
  if (word == "ls") return Action::ls;
  if (word == "show") return Action::show;
  if (word == "export") return Action::export_;
  if (word == "rm") return Action::rm;
  if (word == "retry") return Action::retry;
  if (word == "import") return Action::import;
  if (word == "move") return Action::move;
  return std::nullopt;
}

bool takes_selection(Action action) {
  return action != Action::show && action != Action::import;
}

bool shows(Action action) {
  return action == Action::ls || action == Action::summary;
}

bool* flag_of(std::string_view word, CommandLine& line) {
  const Action action = line.action;
  if (action == Action::import) return nullptr;
  if (word == "--waiting" && action != Action::retry) return &line.states.waiting;
  if (word == "--dead") return &line.states.dead;
  if (word == "--quarantine") return &line.states.quarantine;
  if (word == "--all" && action != Action::show) return &line.all;
  if (word == "--json" && (shows(action) || action == Action::show)) return &line.json;
  if (word == "--subject" && action == Action::ls) return &line.subject;
  if (word == "--held" && action == Action::move) return &line.held;
  return nullptr;
}

std::string* value_of(std::string_view word, CommandLine& line) {
  const Action action = line.action;
  if (action == Action::export_ && (word == "-o" || word == "--output")) return &line.output;
  if (action == Action::export_ && word == "--dir") return &line.directory;
  if (action == Action::move && word == "--to") return &line.directory;
  if (!takes_selection(action)) return nullptr;
  Selection& selection = line.selection;
  if (word == "--from") return &selection.from;
  if (word == (action == Action::move ? "--recipient" : "--to")) return &selection.to;
  if (word == "--reason") return &selection.reason;
  if (word == "--message-id") return &selection.message_id;
  if (word == "--for") return &selection.output;
  return nullptr;
}

Problem take_older(std::string_view text, Selection& selection) {
  const auto age = parse_age(text);
  if (!age) return "--older wants an age such as 90s, 30m, 2h or 5d";
  selection.older_ns = *age;
  return "";
}

Problem take_limit(std::string_view text, Selection& selection) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), selection.limit);
  const bool whole = end.ec == std::errc() && end.ptr == text.data() + text.size();
  return whole && selection.limit > 0 ? "" : "--limit wants a number from 1 on";
}

class Arguments {
 public:
  explicit Arguments(const std::vector<std::string_view>& all) : all_(all) {}

  tl::expected<CommandLine, Problem> parse() {
    if (all_.empty()) return tl::make_unexpected("a command is missing");
    const auto action = action_of(all_[0]);
    if (!action) return tl::make_unexpected("there is no command " + std::string(all_[0]));
    line_.action = *action;
    for (at_ = 1; at_ < all_.size(); ++at_) {
      if (Problem problem = take(all_[at_]); !problem.empty())
        return tl::make_unexpected(std::move(problem));
    }
    Problem problem = line_.action == Action::import ? check_import() : check();
    if (!problem.empty()) return tl::make_unexpected(std::move(problem));
    choose_states();
    if (line_.action == Action::import) line_.states = {true, true, true};
    return std::move(line_);
  }

 private:
  Problem take(std::string_view word) {
    if (bool* flag = flag_of(word, line_)) {
      *flag = true;
      return "";
    }
    std::string* value = value_of(word, line_);
    const bool older = word == "--older" && takes_selection(line_.action);
    const bool limit = word == "--limit" && takes_selection(line_.action);
    if (value != nullptr || older || limit) {
      if (++at_ == all_.size()) return std::string(word) + " wants a value";
      const std::string_view given = all_[at_];
      if (older) return take_older(given, line_.selection);
      if (limit) return take_limit(given, line_.selection);
      if (given.empty()) return std::string(word) + " must not be empty";
      *value = given;
      return "";
    }
    return take_operand(word);
  }

  Problem take_operand(std::string_view word) {
    if (word == "-" && line_.action != Action::import && !shows(line_.action)) {
      line_.ids_from_input = true;
    } else if (word.starts_with('-')) {
      return "there is no option " + std::string(word) + " of this command";
    } else if (line_.action == Action::import && line_.directory.empty()) {
      line_.directory = word;
    } else if (!valid_id(word)) {
      return "this is no ID: " + std::string(word);
    } else {
      line_.ids.emplace_back(word);
    }
    return "";
  }

  Problem check_import() const {
    return line_.directory.empty() || !line_.ids.empty() ? "import takes one directory" : "";
  }

  Problem check() const {
    const bool selected = line_.selection.any() || line_.selection.limit > 0;
    if (shows(line_.action)) return line_.ids.empty() ? "" : "it takes no ID";
    if (!line_.selects() && (line_.all || selected)) {
      return line_.all ? "--all takes no ID" : "an ID and a selection exclude each other";
    }
    if (line_.selects() && !line_.all && !line_.selection.any()) return "an ID is missing";
    if (line_.action == Action::export_) return check_export();
    if (line_.action == Action::move && line_.directory.empty()) return "move wants --to DIR";
    if (line_.action == Action::rm && line_.all && !line_.states.any())
      return "rm --all wants --waiting, --dead or --quarantine";
    return "";
  }

  Problem check_export() const {
    if (!line_.directory.empty()) {
      return line_.output.empty() ? "" : "-o and --dir exclude each other";
    }
    return line_.ids.size() == 1 && !line_.ids_from_input
               ? ""
               : "export takes one ID, or more of them with --dir DIR";
  }

  void choose_states() {
    States& states = line_.states;
    const bool named = states.any();
    if (shows(line_.action) && line_.all) {
      states = {true, true, true};
    } else if (line_.action == Action::retry) {
      states.dead = states.dead || !named;
      states.quarantine = states.quarantine || (!named && !line_.selects());
    } else if (!named) {
      const bool every = !line_.selects() || line_.action == Action::show;
      states = {true, every, every};
    }
  }

  const std::vector<std::string_view>& all_;
  std::size_t at_ = 0;
  CommandLine line_;
};

}  // namespace

tl::expected<CommandLine, std::string> parse_command_line(
    const std::vector<std::string_view>& arguments) {
  return Arguments(arguments).parse();
}

}  // namespace lsmtpd::json_spool
