// SPDX-License-Identifier: Apache-2.0
#include "app/holds_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/unique_fd.hpp"

namespace lsmtpd::app {

Result<std::map<std::string, admin::Hold>> read_holds(const std::string& directory) {
  std::map<std::string, admin::Hold> holds;
  if (directory.empty()) return holds;
  const std::string path = directory + "/holds";
  std::ifstream file(path);
  if (!file) {
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return holds;
    return fail("{} cannot be read: {}", path, std::strerror(errno));
  }
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string output, since, by;
    if (!std::getline(fields, output, '\t') || !std::getline(fields, since, '\t') || output.empty())
      return fail("{} has a line that is no hold: correct or remove it", path);
    std::getline(fields, by);
    holds[output] = {.since = std::strtod(since.c_str(), nullptr), .by = by};
  }
  return holds;
}

// Written beside it and renamed, so that a crash leaves the old one or the new one.
Status write_holds(const std::string& directory, const std::map<std::string, admin::Hold>& holds) {
  if (directory.empty()) return {};
  std::string text;
  for (const auto& [output, hold] : holds)
    text += fmt::format("{}\t{:.0f}\t{}\n", output, hold.since, hold.by);
  const std::string path = directory + "/holds", fresh = path + ".new";
  const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  const bool written =
      file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || ::fsync(file.get()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
    return fail("{}: {}", path, std::strerror(errno));
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail("{}: {}", directory, std::strerror(errno));
  return {};
}

}  // namespace lsmtpd::app
