// SPDX-License-Identifier: Apache-2.0
// The commands but `try` (try.hpp); each returns the exit status (exit_status.hpp). [main]
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::app {

// Any other word in their place may be a plugin's command.
inline constexpr std::array<std::string_view, 7> kOwnCommands{"run",  "check",   "plugins", "try",
                                                              "auth", "migrate", "ctl"};

// `lsmtpd run`
int run_daemon(const std::string& file);

struct CheckOptions {
  bool print = false;               // print the effective configuration, secrets hidden
  bool changed = false;             // print what differs from the defaults
  bool live = false;                // also connect where plugins can (lsmtpd.probe/1)
  std::vector<std::string> routes;  // addresses whose way is printed
  std::string user;  // whose permissions count; empty: server.user's, if started as root
};

// `lsmtpd check`: everything start-up does, but without listening and without side effects. With
// `live` the status is that of the first step that failed.
int run_check(const std::string& file, const CheckOptions& options);

// `lsmtpd plugins [NAME...]`: what is installed, with every option.
int run_plugins(const std::string& file, const std::vector<std::string>& names);

// `lsmtpd NAME ...` where a plugin brings the command NAME (lsmtpd.command/1), as `lsmtpd spool`.
int run_plugin_command(const std::string& name, const std::vector<std::string>& arguments);

// `lsmtpd auth hash NAME`: reads a password, from a terminal without echo and twice, or the first
// line of standard input, and prints the line of auth_file's file.
int run_auth_hash(const std::string& name);

// Lines about the commands of installed plugins, for --help.
std::string plugin_command_help();

}  // namespace lsmtpd::app
