// SPDX-License-Identifier: Apache-2.0
// The command line: which command, with which options. Everything else is in check.cpp (`run` and
// `check`), plugins.cpp (`plugins`, and plugins' own commands) and try.cpp.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/daemon.hpp"
#include "app/listening.hpp"
#include "app/standard_streams.hpp"
#include "app/subcommands.hpp"
#include "app/try.hpp"
#include "app/version.hpp"
#include "plugin/library.hpp"

namespace lsmtpd::app {
namespace {

int main(int argc, char** argv) {
  if (argc > 1 && argv[1][0] != '-' &&
      std::find(kOwnCommands.begin(), kOwnCommands.end(), argv[1]) == kOwnCommands.end()) {
    return run_plugin_command(argv[1], std::vector<std::string>(argv + 2, argv + argc));
  }

  CLI::App cli(
      "lsmtpd: takes mail in over SMTP and hands each message, through a chain of plugins, to a "
      "message broker "
      "or a durable spool.",
      "lsmtpd");
  cli.set_version_flag("--version", fmt::format("lsmtpd {} (plugin ABI {}.{})", kVersion,
                                                LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR));
  cli.footer(plugin_command_help);
  std::string file;
  const std::string config_help = fmt::format(
      "configuration file; else {}, else LSMTPD's environment variables", kDefaultConfig);
  cli.add_option("-c,--config", file, config_help)->type_name("FILE")->take_last();
  cli.require_subcommand(0, 1);
  cli.fallthrough();

  cli.add_subcommand("run", "serve (what a bare lsmtpd does)");

  CheckOptions checking;
  bool listening = false;
  auto* check =
      cli.add_subcommand("check", "check the configuration and the plugins, without side effects");
  check->add_flag("--print", checking.print,
                  "print the whole effective configuration, secrets hidden");
  check->add_flag("--changed", checking.changed, "print what differs from the defaults");
  check->add_option("--user", checking.user, "check as this user, who will run the daemon")
      ->type_name("NAME");
  check->add_flag("--live", checking.live,
                  "also connect to what the outputs are for, and say which step failed");
  check
      ->add_flag("--listening", listening,
                 "ask the running daemon instead: does each listener answer?")
      ->excludes("--print")
      ->excludes("--live");

  std::vector<std::string> names;
  auto* plugins =
      cli.add_subcommand("plugins", "list the plugins that are installed, with their options");
  plugins->add_option("NAME", names, "only these, by name or file");

  TryOptions attempt;
  auto* attempts =
      cli.add_subcommand("try", "run the message on standard input through one plugin");
  attempts->add_option("--plugin", attempt.plugin, "name, or file with a slash")
      ->required()
      ->type_name("PLUGIN");
  attempts
      ->add_option("-o,--option", attempt.options,
                   "an option of the plugin; of a map: -o map.key=x; "
                   "a table of a list: -o 'lists[0].zone=x'")
      ->type_name("KEY=VALUE");
  attempts->add_option("--from", attempt.from, "reverse-path")->capture_default_str();
  attempts->add_option("--to", attempt.to, "forward-path; may be given again")
      ->capture_default_str();
  attempts->add_option("--helo", attempt.helo, "argument of EHLO")->capture_default_str();
  attempts->add_option("--peer", attempt.peer, "address of the client")->capture_default_str();
  attempts->add_flag("--show", attempt.show, "print the message as the plugin leaves it");

  for (auto* command : cli.get_subcommands({})) {
    command->footer("-c,--config FILE: " + config_help);
  }
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return cli.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  if (check->parsed() && listening) return run_check_listening(file);
  if (check->parsed()) return run_check(file, checking);
  if (plugins->parsed()) return run_plugins(file, names);
  if (attempts->parsed()) return run_try(file, attempt);
  return run_daemon(file);
}

}  // namespace
}  // namespace lsmtpd::app

int main(int argc, char** argv) {
  lsmtpd::app::open_standard_descriptors();
  try {
    return lsmtpd::app::finish_output(lsmtpd::app::main(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lsmtpd: %s\n", e.what());
    return lsmtpd::app::kExitFailed;
  }
}
