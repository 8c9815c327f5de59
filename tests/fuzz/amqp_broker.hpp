// SPDX-License-Identifier: Apache-2.0
// The hostile broker's socket: a listener on the loopback, and the one connection that the plugin
// makes to it. All on the fuzzer's thread: pump() takes what the plugin has to say and never waits.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <string>
#include <string_view>

#include "amqp_ledger.hpp"
#include "fuzz_input.hpp"

namespace lsmtpd::fuzz {

// Lives as long as the process, so that no input waits for a port.
class AmqpListener {
 public:
  AmqpListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    require(::bind(fd_, raw, length) == 0 && ::listen(fd_, 16) == 0);
    require(::getsockname(fd_, raw, &length) == 0);
    port_ = ntohs(address.sin_port);
  }
  int accept() const { return ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }
  std::string url() const { return "amqp://127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_;
  uint16_t port_ = 0;
};

class AmqpBroker {
 public:
  explicit AmqpBroker(const AmqpListener& listener) : listener_(listener) {}
  ~AmqpBroker() {
    drop();
    for (int fd = 0; (fd = listener_.accept()) >= 0;) close_hard(fd);
  }
  AmqpBroker(const AmqpBroker&) = delete;
  AmqpBroker& operator=(const AmqpBroker&) = delete;

  // Takes a new connection and what came on it. True: there was something.
  bool pump() {
    bool some = false;
    if (const int fd = listener_.accept(); fd >= 0) {
      drop();
      fd_ = fd;
      // Sent octets arrive at once, or the same input would not always give the same run.
      const int on = 1;
      (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ledgers_.emplace_back();
      some = true;
    }
    char buffer[16384];
    for (ssize_t got = 0; fd_ >= 0 && (got = ::recv(fd_, buffer, sizeof buffer, 0)) >= 0;) {
      if (got == 0) return drop(), true;
      ledger().plugin_said({buffer, static_cast<size_t>(got)});
      some = true;
    }
    return some;
  }

  void send(std::string_view bytes) {
    if (fd_ < 0) return;
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) ledger().broker_said(bytes.substr(0, static_cast<size_t>(sent)));
  }
  void end_stream() {
    if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
  }
  void drop() {
    if (fd_ >= 0) close_hard(fd_);
    fd_ = -1;
  }

  bool connected() const { return fd_ >= 0; }
  AmqpLedger& ledger() { return ledgers_.back(); }
  // On all connections so far; an unknown answer counts for the message.
  bool may_be_stored(const std::string& id, size_t copies) const {
    size_t accepted = 0;
    for (const AmqpLedger& each : ledgers_) {
      if (each.lost()) return true;
      accepted += each.accepted(id);
    }
    return accepted >= copies;
  }

 private:
  // With a reset: nothing stays behind in TIME_WAIT.
  static void close_hard(int fd) {
    const linger now{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd);
  }

  const AmqpListener& listener_;
  int fd_ = -1;
  std::list<AmqpLedger> ledgers_;
};

}  // namespace lsmtpd::fuzz
