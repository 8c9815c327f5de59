// SPDX-License-Identifier: Apache-2.0
// A warning for a file with a secret that every user of the machine can read. [main]
#pragma once

#include <sys/stat.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <string>

namespace lsmtpd::secret_files {

// `path` is the file that `option` names; empty: none.
inline void warn_if_public(const sdk::Report& report, const char* option, const std::string& path) {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IROTH) == 0) return;
  report.warning(option, path + " can be read by every user of this machine: chmod 600");
}

}  // namespace lsmtpd::secret_files
