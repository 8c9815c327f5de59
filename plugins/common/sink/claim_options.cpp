// SPDX-License-Identifier: Apache-2.0
#include "claim_options.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace lsmtpd::sink {

namespace {

constexpr const char* kDirectory = "claim_check[0].directory";
// With the copy id behind it, the location fits into the headers of every broker.
constexpr std::size_t kLongestPath = 512;

}  // namespace

bool parse_claim_options(sdk::Config config, sdk::Report report, ClaimOptions* options) {
  const auto tables = config.tables("claim_check");
  if (tables.empty()) return true;
  if (tables.size() > 1) {
    report.error("claim_check[1]", "is the second table: there is one store");
    return false;
  }
  const std::string given = tables.front().path("directory");
  if (given.empty()) {
    report.error("claim_check[0]", "has no `directory`: name the one where bodies are stored");
    return false;
  }
  options->above = tables.front().size("above");
  auto path = std::filesystem::absolute(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  options->directory = path.string();
  if (options->directory.size() > kLongestPath) {
    report.error(kDirectory, "is longer than " + std::to_string(kLongestPath) + " octets");
    return false;
  }
  options->on = true;
  return true;
}

void check_claim_store(const ClaimOptions& options, sdk::Report report) {
  if (!options.on) return;
  struct stat status {};
  const char* const path = options.directory.c_str();
  const bool found = ::stat(path, &status) == 0;
  if (found && !S_ISDIR(status.st_mode)) errno = ENOTDIR;
  if (!found || !S_ISDIR(status.st_mode) ||
      ::faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
    return report.error(kDirectory,
                        "cannot write to " + options.directory + ": " + std::strerror(errno));
  if ((status.st_mode & S_IWOTH) != 0)
    report.warning(kDirectory, options.directory +
                                   " can be written to by every user of this machine: chmod o-w");
}

}  // namespace lsmtpd::sink
