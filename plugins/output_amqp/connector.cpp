// SPDX-License-Identifier: Apache-2.0
#include "connector.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lsmtpd::amqp {

namespace {

std::string printed(const sockaddr_storage& address, socklen_t length) {
  char host[64];
  char port[8];
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (getnameinfo(raw, length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  return std::string(host) + " port " + port;
}

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

void Connector::start(const Url& url, Found found, Done done) {
  cancel();
  found_ = std::move(found);
  done_ = std::move(done);
  resolving_ = true;
  const std::uint64_t attempt = attempt_;
  const bool started =
      host_.resolve(url.host, url.port, [this, attempt](const sdk::Resolved& result) {
        if (attempt == attempt_) resolved(result);
      });
  if (started) return;
  host_.defer([this, attempt] {
    if (attempt == attempt_) finish({-1, false, "the resolver could not be started"});
  });
}

void Connector::cancel() {
  ++attempt_;
  resolving_ = false;
  watch_.stop();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  addresses_.clear();
  tried_ = 0;
  error_.clear();
}

void Connector::resolved(const sdk::Resolved& result) {
  resolving_ = false;
  if (!result.error.empty() || result.count == 0) {
    return finish({-1, false, result.error.empty() ? "no address" : std::string(result.error)});
  }
  std::string list;
  for (const lsmtpd_address& address : result) {
    Address copy{};
    if (address.length > sizeof copy.storage) continue;
    std::memcpy(&copy.storage, address.address, address.length);
    copy.length = address.length;
    addresses_.push_back(copy);
    list.append(list.empty() ? "" : ", ").append(printed(copy.storage, copy.length));
  }
  const Found found = found_;
  const std::uint64_t attempt = attempt_;
  if (found) found(list);
  if (attempt == attempt_) next();
}

void Connector::next() {
  while (tried_ < addresses_.size()) {
    const Address& address = addresses_[tried_++];
    fd_ = open_socket(address.storage.ss_family);
    const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
    if (fd_ >= 0 && (::connect(fd_, raw, address.length) == 0 || errno == EINPROGRESS)) {
      watch_ = host_.watch(fd_, LSMTPD_WRITABLE, [this](std::uint32_t) { ready(); });
      if (watch_) return;
    }
    error_ = printed(address.storage, address.length) + ": " + std::strerror(errno);
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  finish({-1, true, error_});
}

void Connector::ready() {
  watch_.stop();
  const Address& address = addresses_[tried_ - 1];
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  const std::string name = printed(address.storage, address.length);
  if (error == 0) {
    const int fd = fd_;
    fd_ = -1;
    return finish({fd, true, name});
  }
  error_ = name + ": " + std::strerror(error);
  ::close(fd_);
  fd_ = -1;
  next();
}

void Connector::finish(Result result) {
  const Done done = std::move(done_);
  cancel();
  done(std::move(result));
}

}  // namespace lsmtpd::amqp
