// SPDX-License-Identifier: Apache-2.0
// The commands but `try` (try.hpp); each returns the exit status (daemon.hpp). [main]
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::app {

// Any other word in their place may be a plugin's command.
inline constexpr std::array<std::string_view, 4> kOwnCommands{"run", "check", "plugins", "try"};

// `lsmtpd run`
int run_daemon(const std::string& file);

// `lsmtpd check`: everything start-up does short of listening and of side effects. `print`: the
// effective configuration, secrets hidden. `live`: also connects where plugins can
// (lsmtpd.probe/1); the status is then that of the first step that failed.
int run_check(const std::string& file, bool print, bool live);

// `lsmtpd plugins [NAME...]`: what is installed, with every option.
int run_plugins(const std::string& file, const std::vector<std::string>& names);

// `lsmtpd NAME ...` where a plugin brings the command NAME (lsmtpd.command/1), as `lsmtpd spool`.
int run_plugin_command(const std::string& name, const std::vector<std::string>& arguments);

// Lines about the commands of installed plugins, for --help.
std::string plugin_command_help();

}  // namespace lsmtpd::app
