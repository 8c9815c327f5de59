// SPDX-License-Identifier: Apache-2.0
// `lsmtpd plugins`, and the commands that plugins bring.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/exit_status.hpp"
#include "app/setup.hpp"
#include "app/subcommands.hpp"
#include "base/text.hpp"
#include "plugin/option_table.hpp"
#include "plugin/plugin_options.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::app {

using plugin::Library;
using plugin::str;
using plugin::view;

namespace {

// Text of a plugin's author may hold any octets: escaped for the terminal.
std::string text(lsmtpd_str s) {
  return escape_sentence(view(s));
}
std::string text(const char* s) {
  return escape_sentence(s ? s : "");
}

// `prefix` is what stands before the keys: of the columns of a list of tables "KEY[].".
void print_rows(const std::vector<lsmtpd_option>& rows, const std::string& prefix) {
  for (const auto& o : rows) {
    std::string facts(plugin::type_name(o.type));
    if (o.allowed) facts += ": " + text(o.allowed);
    if (o.required) {
      facts += ", required";
    } else if (o.default_value) {
      facts += ", default " + text(o.default_value);
    }
    std::printf("    %-20s %s\n    %-20s   %s\n", (prefix + o.key).c_str(), facts.c_str(), "",
                text(o.help).c_str());
    if (o.type == LSMTPD_TYPE_TABLES) print_rows(plugin::columns_of(o), prefix + o.key + "[].");
  }
}

void print_plugin(const Library& library) {
  const auto& d = *library.factory().descriptor;
  std::printf("%s %s (ABI %u.%u, %s)\n  %s\n  %s\n", text(d.name).c_str(), text(d.version).c_str(),
              library.entry().abi_major, library.entry().abi_minor, text(d.vendor).c_str(),
              text(d.description).c_str(), library.file().c_str());
  if (const auto* command = library.command())
    std::printf("  command: lsmtpd %s\n", text(command->name).c_str());
  print_rows(plugin::rows_of(library.options()), "");
}

std::vector<const lsmtpd_command_1*> installed_commands() {
  std::vector<const lsmtpd_command_1*> commands;
  const auto path = plugin::plugin_path({});
  for (const auto& file : Library::installed(path)) {
    const auto library = Library::load(file, path);
    if (!library || !(*library)->command()) continue;
    // Several plugins may bring the same one.
    const auto* found = (*library)->command();
    const bool known = std::any_of(commands.begin(), commands.end(), [&](const auto* other) {
      return view(other->name) == view(found->name);
    });
    if (!known) commands.push_back(found);
  }
  return commands;
}

// "lsmtpd spool:", and what the plugin says of it, indented.
std::string usage_of(const lsmtpd_command_1& command) {
  std::string usage = fmt::format("lsmtpd {}:\n", view(command.name));
  for (std::string_view rest = view(command.usage); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    usage += fmt::format("  {}\n", escape_sentence(line));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return usage;
}

std::string no_such_command(const std::string& name) {
  std::vector<std::string_view> names(kOwnCommands.begin(), kOwnCommands.end());
  for (const auto* command : installed_commands()) names.push_back(view(command->name));
  const std::string_view near = nearest(name, names);
  return fmt::format("{}: no such command{}; see lsmtpd --help", name,
                     near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

bool is_installed(const std::string& name) {
  const auto commands = installed_commands();
  return std::any_of(commands.begin(), commands.end(),
                     [&](const auto* command) { return view(command->name) == name; });
}

// Needs no configuration. False: no plugin that is installed brings the command.
bool print_usage(const std::string& name) {
  for (const auto* command : installed_commands()) {
    if (view(command->name) != name) continue;
    std::printf("%s", usage_of(*command).c_str());
    return true;
  }
  return false;
}

// The entry whose plugin brings the command, and its options.
struct Found {
  const config::Plugin* entry = nullptr;
  const lsmtpd_command_1* command = nullptr;
  std::unique_ptr<plugin::Options> options;
};

Result<Found> find_command(const config::Config& config, const std::string& name,
                           const std::string& wanted_entry) {
  Found found;
  std::vector<std::string> entries;
  const auto path = plugin::plugin_path(config.server.plugin_path);
  for (const auto& entry : config.plugins) {
    const auto library = Library::load(entry.use, path);
    if (!library || !(*library)->command() || view((*library)->command()->name) != name) continue;
    if (!wanted_entry.empty() && entry.name != wanted_entry) continue;
    entries.push_back(entry.name);
    if (found.entry) continue;
    std::vector<config::Diagnostic> diagnostics;
    // Types and ranges only: a command may be there to make what validate() misses.
    lsmtpd_options_1 table{};
    if (const auto* options = (*library)->options())
      table = {options->options, options->count, options->stride, nullptr};
    found = {
        &entry, (*library)->command(),
        plugin::Options::validate(entry, (*library)->options() ? &table : nullptr, diagnostics)};
    if (has_errors(diagnostics)) {
      show(diagnostics, config.file);
      return fail("plugin.{} is not configured right", entry.name);
    }
  }
  if (!found.entry) {
    if (!is_installed(name)) return fail("{}", no_such_command(name));
    return fail("{}: no plugin of {} brings that command", name, config.file);
  }
  if (entries.size() > 1) {
    return fail("several plugins bring the command {}: choose one with --plugin: {}", name,
                fmt::join(entries, ", "));
  }
  return found;
}

}  // namespace

int run_plugins(const std::string& file, const std::vector<std::string>& names) {
  std::vector<std::string> configured;
  if (!file.empty()) configured = config::load_file(file).config.server.plugin_path;
  const auto path = plugin::plugin_path(configured);
  int status = kExitOk;
  auto files = names.empty() ? Library::installed(path) : names;
  for (const auto& use : files) {
    const auto library = Library::load(use, path);
    if (library) {
      print_plugin(**library);
    } else {
      std::fprintf(stderr, "lsmtpd: %s\n", library.error().message.c_str());
      status = kExitFailed;
    }
  }
  return status;
}

int run_plugin_command(const std::string& name, const std::vector<std::string>& arguments) {
  std::string file, entry;
  bool wants_help = false;
  std::vector<lsmtpd_str> rest;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    std::string* into = a == "--config" || a == "-c" ? &file : a == "--plugin" ? &entry : nullptr;
    if (into && i + 1 < arguments.size()) {
      *into = arguments[++i];
    } else if (a.starts_with("--config=")) {
      file = a.substr(9);
    } else if (a == "--help" || a == "-h") {
      wants_help = true;
    } else {
      rest.push_back(str(a));
    }
  }
  if (wants_help && print_usage(name)) return kExitOk;
  const auto loaded = load_config(file);
  if (!loaded.ok()) {
    // With a file, the command may belong to a plugin that only its plugin_path finds.
    if (file.empty() && !is_installed(name)) {
      std::fprintf(stderr, "lsmtpd: %s\n", no_such_command(name).c_str());
    } else {
      show(loaded.diagnostics, loaded.config.file);
    }
    return kExitUsage;
  }
  const auto found = find_command(loaded.config, name, entry);
  if (!found) {
    std::fprintf(stderr, "lsmtpd: %s\n", found.error().message.c_str());
    return kExitUsage;
  }
  const lsmtpd_terminal terminal{
      nullptr, [](const lsmtpd_terminal*, lsmtpd_str s) { std::fwrite(s.data, 1, s.size, stdout); },
      [](const lsmtpd_terminal*, lsmtpd_str s) { std::fwrite(s.data, 1, s.size, stderr); }};
  try {
    return found->command->run(found->options->abi(), rest.data(),
                               static_cast<uint32_t>(rest.size()), &terminal);
  } catch (...) {
    std::fprintf(stderr, "lsmtpd: %s threw an exception\n", name.c_str());
    return kExitFailed;
  }
}

std::string plugin_command_help() {
  std::string help;
  for (const auto* command : installed_commands()) help += usage_of(*command);
  return help.empty()
             ? ""
             : "Commands of plugins (each also takes --config FILE and --plugin NAME):\n" + help;
}

}  // namespace lsmtpd::app
