// SPDX-License-Identifier: Apache-2.0
#include "app/service_manager.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>

#include "base/unique_fd.hpp"

namespace lsmtpd::app {

namespace {

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

constexpr size_t kMostLeft = 64;
// Messages that the manager had no room for, in their order.
std::deque<std::string> left;

// False: the manager has no room for it now.
bool sent(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path || std::strlen(path) >= sizeof address.sun_path) return true;
  std::memcpy(address.sun_path, path, std::strlen(path) + 1);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  const ssize_t size = ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&address), length);
  return size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

}  // namespace

void notify_what_is_left() {
  while (!left.empty() && sent(left.front())) left.pop_front();
}

void notify_service_manager(const std::string& state) {
  notify_what_is_left();
  if (left.empty() && sent(state)) return;
  if (left.size() == kMostLeft) left.pop_front();
  left.push_back(state);
}

void notify_ready(std::string_view status) {
  notify_service_manager("READY=1\nSTATUS=" + one_line(status));
}

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify_service_manager(fmt::format(
      "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading the configuration",
      static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000));
}

uint64_t watchdog_ms() {
  const char* microseconds = std::getenv("WATCHDOG_USEC");
  const char* process = std::getenv("WATCHDOG_PID");
  if (!microseconds) return 0;
  if (process && std::strtoll(process, nullptr, 10) != ::getpid()) return 0;
  return std::strtoull(microseconds, nullptr, 10) / 1000;
}

namespace {

struct Passed {
  int fd;
  std::string name;
};

std::vector<Passed> all_passed() {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  const char* process = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (!process || !count || std::strtoll(process, nullptr, 10) != ::getpid()) return {};
  const char* listed = std::getenv("LISTEN_FDNAMES");
  std::string names = listed ? listed : "";
  std::vector<Passed> all;
  for (int fd = kFirst; fd < kFirst + static_cast<int>(std::strtol(count, nullptr, 10)); ++fd) {
    const size_t end = std::min(names.find(':'), names.size());
    all.push_back({fd, names.substr(0, end)});
    names.erase(0, end + 1);
  }
  return all;
}

bool listens(int fd) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts;
}

}  // namespace

Result<std::vector<int>> passed_sockets(const std::string& name) {
  std::vector<int> sockets;
  std::string others;
  for (const auto& passed : all_passed()) {
    if (passed.name != name) {
      others += (others.empty() ? "" : ", ") + passed.name;
      continue;
    }
    if (!listens(passed.fd))
      return fail("the descriptor {} of the service manager is no listening socket", name);
    ::fcntl(passed.fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(passed.fd, F_SETFL, ::fcntl(passed.fd, F_GETFL) | O_NONBLOCK);
    sockets.push_back(passed.fd);
  }
  if (!sockets.empty()) return sockets;
  return fail(
      "the service manager passed no socket named {} (FileDescriptorName= of the socket unit); it "
      "passed {}",
      name, others.empty() ? "none" : others);
}

void notify_watchdog() {
  notify_what_is_left();
  if (left.empty()) sent("WATCHDOG=1");  // the next one does as well
}

}  // namespace lsmtpd::app
