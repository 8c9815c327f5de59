// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <sys/stat.h>

namespace lsmtpd::json_spool {

Settings read_settings(const sdk::Config& config) {
  Settings settings;
  settings.directory = config.path("directory");
  settings.extra = config.boolean("extra");
  settings.min_free = config.size("min_free");
  settings.min_free_inodes = static_cast<std::uint64_t>(config.integer("min_free_inodes"));
  settings.max_bytes = config.size("max_bytes");
  settings.max_age_ms = config.duration("max_age").count();
  settings.threads = static_cast<std::uint32_t>(config.integer("commit_threads"));
  return settings;
}

void check_settings(const sdk::Config& config, const sdk::Report& report) {
  const std::string path = config.path("directory");
  if (path.empty()) return report.error("directory", "must not be empty");
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;  // start makes it
  if (!S_ISDIR(status.st_mode)) {
    report.error("directory", path + " is a symbolic link or no directory");
  } else if ((status.st_mode & S_IWOTH) != 0) {
    report.error("directory", path + " can be written to by everyone; chmod 700 it");
  }
}

}  // namespace lsmtpd::json_spool
