// SPDX-License-Identifier: Apache-2.0
#include "connector.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lsmtpd::sink {

namespace {

int open_socket(int family) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // Batches are made here already, so Nagle only delays; keep-alives find a peer that died while
  // nothing is sent.
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

}  // namespace

void Connector::start(const Address& address, Done done) {
  cancel();
  done_ = std::move(done);
  fd_ = open_socket(address.storage.ss_family);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  if (fd_ >= 0 && (::connect(fd_, raw, address.length) == 0 || errno == EINPROGRESS)) {
    watch_ = host_.watch(fd_, LSMTPD_WRITABLE, [this](std::uint32_t) { ready(); });
    if (watch_) return;
    errno = ENOMEM;
  }
  host_.defer([this, attempt = attempt_, error = std::string(std::strerror(errno))] {
    if (attempt != attempt_) return;
    const Done answer = std::move(done_);
    cancel();
    answer({-1, error});
  });
}

void Connector::cancel() {
  ++attempt_;
  watch_.stop();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Connector::ready() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  Result result;
  if (error == 0) {
    result.fd = std::exchange(fd_, -1);
  } else {
    result.error = std::strerror(error);
  }
  const Done done = std::move(done_);
  cancel();
  done(std::move(result));
}

}  // namespace lsmtpd::sink
