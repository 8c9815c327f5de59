// SPDX-License-Identifier: Apache-2.0
#include "spool_settings.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "path_check.hpp"

namespace lsmtpd::json_spool {
namespace {

bool may_write(const std::string& directory) {
  return ::faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

// File systems on which a flush may not do what it says; null: it is none of them.
const char* doubtful_file_system(const std::string& path) {
  constexpr long kCifs = 0xff534d42, kSmb2 = 0xfe534d42;
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return nullptr;
  switch (static_cast<long>(status.f_type)) {
    case OVERLAYFS_SUPER_MAGIC:
      return "an overlay";
    case NFS_SUPER_MAGIC:
      return "NFS";
    case kCifs:
    case kSmb2:
      return "SMB";
    default:
      return nullptr;
  }
}

// A start makes only the last folder of `path`. Returns why that is impossible, or empty text.
std::string problem_with_parent(const std::string& path) {
  const auto above = std::filesystem::path(path).parent_path().string();
  const std::string parent = above.empty() ? "." : above;
  struct stat status {};
  if (::stat(parent.c_str(), &status) != 0) {
    return "cannot make " + path + ": its parent must exist: " + parent + ": " +
           std::strerror(errno);
  }
  if (!S_ISDIR(status.st_mode)) return "cannot make " + path + ": " + parent + " is no directory";
  if (::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return "cannot make " + path + ": " + parent + " cannot be written to: " + std::strerror(errno);
}

}  // namespace

Settings read_settings(const sdk::Config& config) {
  Settings settings;
  settings.directory = without_final_slashes(config.path("directory"));
  settings.to_journal = config.string("layout") == "journal";
  settings.recycle = config.boolean("recycle");
  settings.extra = config.boolean("extra");
  settings.min_free = config.size("min_free");
  settings.min_free_inodes = static_cast<std::uint64_t>(config.integer("min_free_inodes"));
  settings.max_bytes = config.size("max_bytes");
  settings.max_age_ms = config.duration("max_age").count();
  settings.threads = static_cast<std::uint32_t>(config.integer("commit_threads"));
  return settings;
}

void check_settings(const sdk::Config& config, const sdk::Report& report) {
  const std::string path = without_final_slashes(config.path("directory"));
  if (path.empty()) return report.error("directory", "must not be empty");
  for (const PathFault& fault : check_path(path, ::geteuid(), ::getegid())) {
    if (fault.error) {
      report.error("directory", fault.text);
    } else {
      report.warning("directory", fault.text);
    }
  }
  const auto parent = std::filesystem::path(path).parent_path().string();
  const char* doubtful = doubtful_file_system(path);
  if (doubtful == nullptr) doubtful = doubtful_file_system(parent.empty() ? "." : parent);
  if (doubtful != nullptr) {
    report.warning("directory", path + " is on " + doubtful +
                                    ": whether a flush is durable there is not certain; give the "
                                    "spool a local disk");
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (const std::string problem = problem_with_parent(path); !problem.empty())
      report.error("directory", problem);
  } else if (!S_ISDIR(status.st_mode)) {
    report.error("directory", path + " is no directory");
  } else if (!may_write(path)) {
    report.error("directory", path + " cannot be written to: " + std::strerror(errno));
  }
}

}  // namespace lsmtpd::json_spool
