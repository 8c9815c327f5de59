// SPDX-License-Identifier: Apache-2.0
#include "admin/sockets.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "io/endpoint.hpp"
#include "io/socket_binding.hpp"

namespace lsmtpd::admin {

namespace {

constexpr int kBacklog = 64;

UniqueFd unix_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Status set_path(const std::string& path, sockaddr_un& address) {
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail("{} is longer than the {} octets that a socket's path may have", path,
                sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path.data(), path.size());
  return {};
}

// Removes a socket whose process is gone. An error: somebody listens, or it is no socket.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return fail("{} is there and is not a socket", path);
  const UniqueFd probe = unix_socket();
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN)
    return fail("{}: another process listens there", path);
  if (errno != ECONNREFUSED) return fail("{}: {}", path, std::strerror(errno));
  if (::unlink(path.c_str()) != 0)
    return fail("{}: cannot be replaced: {}", path, std::strerror(errno));
  return {};
}

// /run is empty after a boot. Where it cannot be made, bind() will say so.
void make_folder(const std::string& path, const std::string& user) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return;
  const std::string folder = path.substr(0, slash);
  if (::mkdir(folder.c_str(), 0700) != 0) return;
  const passwd* entry = user.empty() || ::geteuid() != 0 ? nullptr : ::getpwnam(user.c_str());
  const bool given = !entry || ::chown(folder.c_str(), entry->pw_uid, entry->pw_gid) == 0;
  if (given) (void)::chmod(folder.c_str(), 0755);
}

Status set_owner(const std::string& path, const std::string& group, const std::string& user) {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  if (!user.empty() && ::geteuid() == 0) {
    if (const passwd* entry = ::getpwnam(user.c_str())) uid = entry->pw_uid;
  }
  if (!group.empty()) {
    const ::group* entry = ::getgrnam(group.c_str());
    if (!entry) return fail("admin.group: there is no group {}", group);
    gid = entry->gr_gid;
  }
  // Even a call that changes nothing is one that a service's SystemCallFilter= may refuse.
  if (uid == static_cast<uid_t>(-1) && gid == static_cast<gid_t>(-1)) return {};
  if (::chown(path.c_str(), uid, gid) != 0)
    return fail("{}: cannot be given to group {}: {}", path, group, std::strerror(errno));
  return {};
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, uint32_t mode, const std::string& group,
                             const std::string& user) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (auto fits = set_path(path, address); !fits) return tl::unexpected(fits.error());
  make_folder(path, user);
  if (auto free = remove_stale(path, address); !free) return tl::unexpected(free.error());
  UniqueFd socket = unix_socket();
  if (!socket) return fail("{}", std::strerror(errno));
  // The socket does not listen yet: its mode is set before a client can connect.
  const mode_t before = ::umask(0177);
  const int bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(before);
  if (bound != 0) return fail("{}: {}", path, std::strerror(error));
  if (auto owned = set_owner(path, group, user); !owned) {
    ::unlink(path.c_str());
    return tl::unexpected(owned.error());
  }
  if (::chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return fail("{}: {}", path, std::strerror(errno));
  return socket;
}

Result<UnixPath> try_unix(const std::string& path, const std::string& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (auto fits = set_path(path, address); !fits) return tl::unexpected(fits.error());
  if (!group.empty() && !::getgrnam(group.c_str()))
    return fail("admin.group: there is no group {}", group);
  const std::string above = std::filesystem::path(path).parent_path();
  const std::string folder = above.empty() ? "." : above;
  // The service manager makes that one folder, or the start does.
  if (::access(folder.c_str(), F_OK) != 0 && errno == ENOENT) return UnixPath::free;
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return fail("{} cannot be made in {}: {}", path, folder, std::strerror(errno));
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return UnixPath::free;
  if (!S_ISSOCK(status.st_mode)) return fail("{} is there and is not a socket", path);
  const UniqueFd probe = unix_socket();
  const bool answers =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN;
  return answers ? UnixPath::in_use : UnixPath::free;
}

Result<std::vector<UniqueFd>> listen_http(const std::string& host, uint16_t& port) {
  if (auto free = io::try_bind(host, port); !free) return tl::unexpected(free.error());
  auto sockets = io::bind_all(host, port);
  if (!sockets) return tl::unexpected(sockets.error());
  for (const auto& socket : *sockets) {
    port = io::local_endpoint(socket.get()).port;
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
        ::listen(socket.get(), kBacklog) != 0)
      return fail("{}", std::strerror(errno));
  }
  return sockets;
}

}  // namespace lsmtpd::admin
