// SPDX-License-Identifier: Apache-2.0
// The command line: the commands with their options, and which function runs each (subcommands.hpp,
// ctl.hpp, listening.hpp, migrate.hpp, try.hpp).
#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/ctl.hpp"
#include "app/exit_status.hpp"
#include "app/listening.hpp"
#include "app/migrate.hpp"
#include "app/standard_streams.hpp"
#include "app/subcommands.hpp"
#include "app/try.hpp"
#include "app/version.hpp"
#include "plugin/library.hpp"

namespace lsmtpd::app {
namespace {

class CommandLine {
 public:
  CommandLine();
  int run(int argc, char** argv);

 private:
  void add_check();
  void add_plugins();
  void add_try();
  void add_auth();
  void add_ctl();
  void add_migrate();
  int dispatch() const;

  CLI::App cli_{
      "lsmtpd: takes mail in over SMTP and hands each message, through a chain of plugins, to a "
      "message broker "
      "or a durable spool.",
      "lsmtpd"};
  std::string file_;
  // Each command, and what its options set.
  CLI::App* check_ = nullptr;
  CheckOptions checking_;
  bool listening_ = false;
  CLI::App* plugins_ = nullptr;
  std::vector<std::string> names_;
  CLI::App* try_ = nullptr;
  TryOptions trying_;
  CLI::App* hash_ = nullptr;
  std::string user_;
  CLI::App* ctl_ = nullptr;
  CtlOptions order_;
  CLI::App* migrate_ = nullptr;
  MigrateOptions migrating_;
};

CommandLine::CommandLine() {
  cli_.set_version_flag("--version", fmt::format("lsmtpd {} (plugin ABI {}.{})", kVersion,
                                                 LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR));
  cli_.footer(plugin_command_help);
  const std::string config_help = fmt::format(
      "configuration file; else {}, else LSMTPD's environment variables", kDefaultConfig);
  cli_.add_option("-c,--config", file_, config_help)->type_name("FILE")->take_last();
  cli_.require_subcommand(0, 1);
  cli_.fallthrough();

  cli_.add_subcommand("run", "serve (what a bare lsmtpd does)");
  add_check();
  add_plugins();
  add_try();
  add_auth();
  add_ctl();
  add_migrate();
  for (auto* command : cli_.get_subcommands({})) {
    command->footer("-c,--config FILE: " + config_help);
  }
}

void CommandLine::add_check() {
  check_ =
      cli_.add_subcommand("check", "check the configuration and the plugins, without side effects");
  check_->add_flag("--print", checking_.print,
                   "print the whole effective configuration, secrets hidden");
  check_->add_flag("--changed", checking_.changed, "print what differs from the defaults");
  check_->add_option("--user", checking_.user, "check as this user, who will run the daemon")
      ->type_name("NAME");
  check_->add_flag("--live", checking_.live,
                   "also connect to what the outputs are for, and say which step failed");
  check_
      ->add_option("--route", checking_.routes,
                   "also say which route of each chain mail for this address takes")
      ->type_name("ADDRESS");
  check_
      ->add_flag("--listening", listening_,
                 "ask the running daemon instead: does each listener answer?")
      ->excludes("--print")
      ->excludes("--live");
}

void CommandLine::add_plugins() {
  plugins_ =
      cli_.add_subcommand("plugins", "list the plugins that are installed, with their options");
  plugins_->add_option("NAME", names_, "only these, by name or file");
}

void CommandLine::add_try() {
  try_ = cli_.add_subcommand("try", "run the message on standard input through one plugin");
  try_->add_option("--plugin", trying_.plugin, "name, or file with a slash")
      ->required()
      ->type_name("PLUGIN");
  try_->add_option("-o,--option", trying_.options,
                   "an option of the plugin; of a map: -o map.key=x; "
                   "a table of a list: -o 'lists[0].zone=x'")
      ->type_name("KEY=VALUE");
  try_->add_option("--from", trying_.from, "reverse-path")->capture_default_str();
  try_->add_option("--to", trying_.to, "forward-path; may be given again")->capture_default_str();
  try_->add_option("--helo", trying_.helo, "argument of EHLO")->capture_default_str();
  try_->add_option("--peer", trying_.peer, "address of the client")->capture_default_str();
  try_->add_flag("--show", trying_.show, "print the message as the plugin leaves it");
}

void CommandLine::add_auth() {
  auto* auth = cli_.add_subcommand("auth", "users of auth_file");
  hash_ = auth->add_subcommand(
      "hash", "read a password and print a line for the file of auth_file (bcrypt)");
  hash_->add_option("NAME", user_, "the user's name")->required();
  auth->require_subcommand(1);
}

void CommandLine::add_ctl() {
  ctl_ =
      cli_.add_subcommand("ctl",
                          "command a running daemon: status, reload, drain, sessions, hold OUTPUT, "
                          "release OUTPUT, flush [OUTPUT|ID], log-level [LEVEL], trace");
  ctl_->add_option("COMMAND", order_.words, "the command and its arguments")->required();
  ctl_->add_option("--socket", order_.socket, "Unix socket of the daemon, in place of admin.socket")
      ->type_name("PATH");
  ctl_->add_flag("--json", order_.json, "of status: print the JSON document");
  ctl_->add_flag("--flush", order_.flush, "of drain: try outputs now, until nothing waits");
  ctl_->add_option("--within", order_.within,
                   "of drain --flush and trace: how long; else 10m, and for trace 15m")
      ->type_name("DURATION");
  ctl_->add_option("--peer", order_.peer, "of trace: clients of this network or address")
      ->type_name("NET");
  ctl_->add_option("--to", order_.to, "of trace: mail to ADDRESS, or to @DOMAIN")
      ->type_name("ADDRESS");
  ctl_->add_flag("--log", order_.log, "of trace: to the log in place of the terminal");
}

void CommandLine::add_migrate() {
  migrate_ = cli_.add_subcommand(
      "migrate", "print the configuration file for the environment variables of LSMTPD");
  migrate_
      ->add_option("--from-env", migrating_.environment_files,
                   "LSMTPD's environment files, beside this process's environment")
      ->required()
      ->expected(0, -1)
      ->type_name("[FILE...]");
  migrate_->add_flag("--service", migrating_.service,
                     "set also the admin socket and the state directory of the systemd unit");
}

int CommandLine::run(int argc, char** argv) {
  try {
    cli_.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return cli_.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  return dispatch();
}

int CommandLine::dispatch() const {
  if (check_->parsed() && listening_) return run_check_listening(file_);
  if (check_->parsed()) return run_check(file_, checking_);
  if (plugins_->parsed()) return run_plugins(file_, names_);
  if (hash_->parsed()) return run_auth_hash(user_);
  if (try_->parsed()) return run_try(file_, trying_);
  if (ctl_->parsed()) return run_ctl(file_, order_);
  if (migrate_->parsed()) return run_migrate(migrating_);
  return run_daemon(file_);
}

int main(int argc, char** argv) {
  if (argc > 1 && argv[1][0] != '-' &&
      std::find(kOwnCommands.begin(), kOwnCommands.end(), argv[1]) == kOwnCommands.end()) {
    return run_plugin_command(argv[1], std::vector<std::string>(argv + 2, argv + argc));
  }
  return CommandLine().run(argc, argv);
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
