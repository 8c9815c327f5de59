// SPDX-License-Identifier: Apache-2.0
#include "io/socket_binding.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "io/endpoint.hpp"

namespace lsmtpd::io {

namespace {

Result<UniqueFd> bind_address(const addrinfo& info, uint16_t port, bool shared) {
  UniqueFd fd(::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail("{}", strerror(errno));
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return fail("SO_REUSEPORT: {}", strerror(errno));
  }
  sockaddr_storage address{};
  std::memcpy(&address, info.ai_addr, info.ai_addrlen);
  if (info.ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) != 0) {
    return fail("{}", strerror(errno));
  }
  return fd;
}

// An address of a name that this machine has not, such as ::1 where IPv6 is off.
bool is_not_ours() {
  return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT;
}

sockaddr_un local_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// An error where something else is at `path` than a socket that nobody listens on.
Status check_path(std::string_view path) {
  struct stat status = {};
  const sockaddr_un address = local_address(path);
  if (::lstat(address.sun_path, &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return fail("{} is there, and is no socket", path);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED) {
    return fail("cannot bind {}: another process listens there", path);
  }
  return {};
}

Result<UniqueFd> bind_unix(std::string_view path) {
  if (auto status = check_path(path); !status) return tl::unexpected(status.error());
  const sockaddr_un address = local_address(path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail("{}", strerror(errno));
  ::unlink(address.sun_path);
  const mode_t before = ::umask(0117);  // 0660 from the first moment on
  const int status = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(before);
  if (status != 0) return fail("cannot bind {}: {}", path, strerror(error));
  // As sockets that a service manager passes, which the workers share too, it listens already.
  if (::listen(fd.get(), kListenQueue) != 0)
    return fail("cannot listen on {}: {}", path, strerror(errno));
  return fd;
}

Result<std::vector<UniqueFd>> bind_name(const std::string& host, uint16_t port, bool shared) {
  if (const std::string_view path = unix_path(host); !path.empty()) {
    std::vector<UniqueFd> sockets;
    auto bound = bind_unix(path);
    if (!bound) return tl::unexpected(bound.error());
    sockets.push_back(std::move(*bound));
    return sockets;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = host == "*" ? AF_INET6 : AF_UNSPEC;  // one socket takes both (V6ONLY is off)
  addrinfo* list = nullptr;
  int status = ::getaddrinfo(host == "*" ? nullptr : host.c_str(), "0", &hints, &list);
  if (status != 0) return fail("cannot resolve {}: {}", host, gai_strerror(status));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  std::vector<UniqueFd> sockets;
  Error error;
  for (; list; list = list->ai_next) {
    errno = 0;
    auto bound = bind_address(*list, port, shared);
    if (bound) {
      port = local_endpoint(bound->get()).port;  // the others' too, where it was 0
      sockets.push_back(std::move(*bound));
      continue;
    }
    const bool skip = is_not_ours();
    error = bound.error();
    if (!skip) {
      sockets.clear();
      break;
    }
  }
  if (!sockets.empty()) return sockets;
  if (host == "*") return bind_name("0.0.0.0", port, shared);  // a machine without IPv6
  return fail("cannot bind {}:{}: {}", host, port, error.message);
}

}  // namespace
std::string_view unix_path(std::string_view host) {
  return host.starts_with("unix:") ? host.substr(5) : std::string_view();
}

Result<UniqueFd> share(const UniqueFd& socket) {
  UniqueFd fd(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail("{}", strerror(errno));
  return fd;
}

Result<UniqueFd> bind_tcp(const std::string& host, uint16_t port) {
  auto sockets = bind_name(host, port, true);
  if (!sockets) return tl::unexpected(sockets.error());
  return std::move(sockets->front());
}

Result<std::vector<UniqueFd>> bind_all(const std::string& host, uint16_t port) {
  return bind_name(host, port, true);
}

Status try_bind(const std::string& host, uint16_t port) {
  if (const std::string_view path = unix_path(host); !path.empty()) {  // without making a file
    const std::string folder(path.substr(0, path.rfind('/') + 1));
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
      return fail("cannot bind {}: {}: {}", path, folder, strerror(errno));
    return check_path(path);
  }
  auto bound = bind_name(host, port, false);
  if (!bound) return tl::unexpected(bound.error());
  return {};
}

}  // namespace lsmtpd::io
