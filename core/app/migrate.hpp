// SPDX-License-Identifier: Apache-2.0
// `lsmtpd migrate`: the configuration file that does what LSMTPD's environment variables did.
// [main]
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace lsmtpd::app {

// The variables of a service manager's EnvironmentFile (systemd.exec(5)): NAME=VALUE lines, with
// comments, quotes and continued lines. An error names the line.
Result<std::vector<std::pair<std::string, std::string>>> parse_environment_file(
    const std::string& text);

struct MigrateOptions {
  std::vector<std::string> environment_files;
  bool service = false;  // sets also the keys for which the systemd unit has folders
};

// Prints the TOML for LSMTPD's variables, of this process and of the files, which go first. Returns
// the exit status (daemon.hpp).
int run_migrate(const MigrateOptions& options);

}  // namespace lsmtpd::app
