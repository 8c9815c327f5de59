#include "settings.hpp"

#include <unistd.h>

#include "path_check.hpp"

namespace lsmtpd::json_spool {

Settings read_settings(const sdk::Config& config) {
  Settings settings;
  settings.directory = without_final_slashes(config.path("directory"));
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
  for (const PathFault& fault : check_path(path, ::geteuid(), ::getegid())) {
    if (fault.error) {
      report.error("directory", fault.text);
    } else {
      report.warning("directory", fault.text);
    }
  }
}

}  // namespace lsmtpd::json_spool
