// SPDX-License-Identifier: Apache-2.0
#include "app/preflight.hpp"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "app/process.hpp"
#include "app/setup.hpp"
#include "config/host.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::app {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTcpListen = "0A";  // the state in /proc/net/tcp

// Inodes of the sockets that listen on the port. Each line of the table has, among others: number,
// address:port in hexadecimal, remote address, state, and as the tenth word the inode.
std::set<std::string> listening_inodes(uint16_t port) {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string number, local, remote, state, skipped, inode;
      words >> number >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skipped;
      words >> inode;
      const size_t colon = local.find(':');
      if (state != kTcpListen || colon == std::string::npos) continue;
      uint16_t given = 0;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), given, 16);
      if (given == port) inodes.insert("socket:[" + inode + "]");
    }
  }
  return inodes;
}

bool has_descriptor(const fs::path& process, const std::set<std::string>& targets) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code unreadable;
    if (targets.contains(fs::read_symlink(at->path(), unreadable).string())) return true;
  }
  return false;
}

}  // namespace

void require(const Status& status, config::Position at, Diagnostics& diagnostics) {
  if (!status) diagnostics.push_back({false, at, status.error().message, {}});
}

std::string process_that_listens_on(uint16_t port) {
  const auto inodes = listening_inodes(port);
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const std::string number = at->path().filename();
    if (inodes.empty() || number.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!has_descriptor(at->path(), inodes)) continue;
    std::string name;
    std::getline(std::ifstream(at->path() / "comm") >> std::ws, name);
    return fmt::format("{} (pid {})", name, number);
  }
  return {};
}

void check_machine(const config::Config& config, Diagnostics& diagnostics) {
  const auto& limits = config.limits;
  require(raise_descriptor_limit(limits.connections), limits.given["connections"], diagnostics);
  for (const auto& listener : config.listeners) {
    // A mistake that has been reported, or a socket that only the daemon gets.
    if (listener.host.empty() || !config::activation_name(listener.host).empty()) continue;
    const auto free = io::try_bind(listener.host, listener.port);
    if (free) continue;
    const std::string holder =
        listener.port ? process_that_listens_on(listener.port) : std::string();
    diagnostics.push_back(
        {holder.starts_with("lsmtpd "), listener.given["address"],
         fmt::format("listener {}: {}", listener.name, free.error().message),
         holder.empty() ? std::string() : fmt::format("{} listens there", holder)});
  }
}

void check_spool_directories(const config::Config& config, Diagnostics& diagnostics) {
  std::map<std::string, std::string> spools;  // name by directory
  for (const auto& plugin : config.plugins) {
    const auto given = plugin.options.find("directory");
    if (fs::path(plugin.use).stem() != "output_json_spool" || given == plugin.options.end())
      continue;
    const auto* text = std::get_if<std::string>(&given->second.value.value);
    if (!text) continue;  // a mistake that has been reported
    std::error_code error;
    auto directory = fs::weakly_canonical(*text, error);
    if (error) continue;
    if (!directory.has_filename()) directory = directory.parent_path();  // of a final slash
    const auto [first, fresh] = spools.try_emplace(directory, plugin.name);
    if (fresh) continue;
    diagnostics.push_back({false, given->second.value.position,
                           fmt::format("plugin.{}.options.directory: {} is the directory of "
                                       "plugin.{} already",
                                       plugin.name, *text, first->second),
                           "each spool needs a directory of its own"});
  }
}

void become_daemon_user(const config::Config& config, const std::string& user,
                        Diagnostics& diagnostics) {
  const std::string& wanted = user.empty() ? config.server.user : user;
  if (::geteuid() != 0 && !user.empty()) {
    const passwd* entry = ::getpwnam(user.c_str());
    if (!entry || entry->pw_uid != ::geteuid())
      diagnostics.push_back(
          {false, {}, "--user " + user + ": only root can become another user", {}});
    return;
  }
  const config::Position at = user.empty() ? config.server.given["user"] : config::Position{};
  auto status = check_user(wanted);
  if (status) status = drop_privileges(wanted);
  require(status, at, diagnostics);
  if (::geteuid() == 0 && wanted.empty() && !has_errors(diagnostics)) {
    diagnostics.push_back({true,
                           {},
                           "checked as root, who may read and write everything",
                           "check as the user that runs the daemon, with --user NAME"});
  }
}

}  // namespace lsmtpd::app
