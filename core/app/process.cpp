// SPDX-License-Identifier: Apache-2.0
#include "app/process.hpp"

#include <grp.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/exit_status.hpp"

namespace lsmtpd::app {

namespace {

// Descriptors beside the connections: half of them for loops, log and plugins, half for spilled
// bodies.
constexpr rlim_t kOwnDescriptors = 1024;
constexpr rlim_t kNotForSpill = kOwnDescriptors / 2;

constexpr uint64_t kWorthGivingBack = 8u << 20;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The smallest cpu.max from this process's cgroup up to the root.
uint32_t cores_of_cgroup() {
  std::istringstream lines(read_file("/proc/self/cgroup"));
  std::string line, group;
  while (std::getline(lines, line)) {
    if (line.starts_with("0::")) group = line.substr(3);
  }
  uint32_t least = 0;
  for (;; group.resize(group.rfind('/'))) {
    const uint32_t cores = cores_of_cpu_max(read_file("/sys/fs/cgroup" + group + "/cpu.max"));
    if (cores && (least == 0 || cores < least)) least = cores;
    if (group.empty() || group == "/" || group.rfind('/') == std::string::npos) return least;
  }
}

}  // namespace

uint32_t cores_of_cpu_max(const std::string& text) {
  std::istringstream in(text);
  std::string quota;
  uint64_t period = 0;
  if (!(in >> quota >> period) || quota == "max" || period == 0) return 0;
  const uint64_t microseconds = std::strtoull(quota.c_str(), nullptr, 10);
  return static_cast<uint32_t>(std::max<uint64_t>(1, (microseconds + period - 1) / period));
}

uint32_t allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  uint32_t cores = 1;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<uint32_t>(CPU_COUNT(&set));
  const uint32_t quota = cores_of_cgroup();
  return quota && quota < cores ? quota : std::max(1u, cores);
}

Status raise_descriptor_limit(uint32_t connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t needed = connections + kOwnDescriptors;
  const rlim_t wanted = needed + connections;  // then every body may be spilled
  for (const rlim_t target : {wanted, std::min(wanted, limit.rlim_max), needed}) {
    if (target < needed) continue;
    if (limit.rlim_cur >= target) return {};
    const rlimit raised{target, std::max(target, limit.rlim_max)};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return {};
  }
  return fail(
      "limits.connections = {} needs {} file descriptors, but the limit is {}: raise it "
      "(LimitNOFILE= of the service, "
      "or ulimit -n), or lower limits.connections to {}",
      connections, needed, limit.rlim_max,
      limit.rlim_max > kOwnDescriptors ? limit.rlim_max - kOwnDescriptors : 0);
}

uint64_t descriptors_for_spill(uint32_t connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t others = connections + kNotForSpill;
  return limit.rlim_cur > others ? limit.rlim_cur - others : 0;
}

Status check_user(const std::string& user) {
  if (user.empty() || ::getpwnam(user.c_str())) return {};
  return fail("server.user = \"{}\": there is no such user", user);
}

Status check_log_file(const std::string& file) {
  if (file.empty()) return {};
  struct stat status = {};
  const bool there = ::stat(file.c_str(), &status) == 0;
  const std::string folder = std::filesystem::absolute(file).parent_path();
  const bool fits = there ? !S_ISDIR(status.st_mode) && ::access(file.c_str(), W_OK) == 0
                          : ::access(folder.c_str(), W_OK | X_OK) == 0;
  if (fits) return {};
  return fail("log.file = \"{}\" cannot be written to", file);
}

Status give_to_user(const std::string& path, const std::string& user) {
  if (user.empty() || ::geteuid() != 0) return {};
  if (auto known = check_user(user); !known) return known;
  const passwd* entry = ::getpwnam(user.c_str());
  if (::chown(path.c_str(), entry->pw_uid, entry->pw_gid) == 0) return {};
  return fail("cannot give {} to {}: {}", path, user, strerror(errno));
}

Status drop_privileges(const std::string& user) {
  if (user.empty() || ::geteuid() != 0) return {};
  if (auto known = check_user(user); !known) return known;
  const passwd* entry = ::getpwnam(user.c_str());
  if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
      ::setuid(entry->pw_uid) != 0) {
    return fail("cannot become user {}: {}", user, strerror(errno));
  }
  if (entry->pw_uid != 0 && ::setuid(0) == 0)
    return fail("privileges could be regained after dropping them");
  return {};
}

uint64_t resident_memory() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

bool SurplusMemory::give_back(uint64_t in_use) {
  const auto surplus = [in_use] {
    const uint64_t resident = resident_memory();
    return resident - std::min(resident, in_use);
  };
  const uint64_t before = surplus();
  if (least_ == UINT64_MAX || before < least_) least_ = before;
  if (before - least_ < kWorthGivingBack) return false;
  ::malloc_trim(0);
  least_ = surplus();
  return true;
}

void ignore_fatal_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

namespace {

sigset_t end_signals() {
  sigset_t both;
  ::sigemptyset(&both);
  ::sigaddset(&both, SIGTERM);
  ::sigaddset(&both, SIGINT);
  return both;
}

}  // namespace

void hold_end_signals() {
  const sigset_t both = end_signals();
  ::pthread_sigmask(SIG_BLOCK, &both, nullptr);
}

void end_at_once_on_signals() {
  for (const int signal : {SIGTERM, SIGINT}) ::signal(signal, [](int) { ::_exit(kExitOk); });
  const sigset_t both = end_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
}

void give_children_a_clean_mask() {
  static const int kRegistered [[maybe_unused]] = ::pthread_atfork(nullptr, nullptr, [] {
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  });
}

}  // namespace lsmtpd::app
