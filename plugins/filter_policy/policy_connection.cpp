// SPDX-License-Identifier: Apache-2.0
#include "policy_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lsmtpd::policy {
namespace {

// A UNIX socket whose backlog is full refuses at once instead of waiting (connect(2), EAGAIN).
constexpr std::chrono::milliseconds kAgain{20};
constexpr size_t kRead = 4096;
constexpr size_t kMostAddresses = 8;

}  // namespace

Connection::Connection(const sdk::LaneHost& host, const Service& service, Route& route,
                       std::chrono::milliseconds idle)
    : host_(host), service_(service), route_(route), idle_(idle) {}

void Connection::ask(std::string request, std::chrono::milliseconds patience, Done done) {
  ends_ms_ = host_.now_ms() + static_cast<uint64_t>(patience.count());
  request_ = std::move(request);
  written_ = 0;
  reader_.reset();
  done_ = std::move(done);
  timer_.cancel();
  reused_ = open();
  if (open()) {
    // From the loop, so that an error does not come from inside.
    host_.defer([this, attempt = attempt_] {
      if (attempt == attempt_ && busy()) write();
    });
  } else if (!service_.path.empty()) {
    host_.defer([this, attempt = ++attempt_] {
      if (attempt == attempt_) connect_unix();
    });
  } else {
    find_addresses();
  }
}

void Connection::give_up() {
  if (open() || connecting_) blame_address();
  close();
}

void Connection::close() {
  ++attempt_;
  watch_.stop();
  timer_.cancel();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  connecting_ = false;
  proved_ = false;
  done_ = nullptr;
}

void Connection::find_addresses() {
  addresses_.clear();
  next_address_ = 0;
  const uint64_t attempt = ++attempt_;
  route_.find(this, [this, attempt](const sink::AddressBook::Answer& found) {
    if (attempt != attempt_) return;
    addresses_ = route_.failed_last(found.addresses);
    addresses_.resize(std::min(addresses_.size(), kMostAddresses));
    connect_next(found.error);
  });
}

bool Connection::connect_to(const sockaddr* address, socklen_t size, std::string& error) {
  fd_ = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && (::connect(fd_, address, size) == 0 || errno == EINPROGRESS)) {
    connecting_ = true;
    watch_ = host_.watch(fd_, LSMTPD_WRITABLE, [this](uint32_t events) { ready(events); });
    if (watch_) return true;
    errno = ENOMEM;
  }
  const int reason = errno;
  error = std::strerror(reason);
  watch_.stop();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  connecting_ = false;
  errno = reason;
  return false;
}

void Connection::connect_next(const std::string& error) {
  std::string why = error;
  while (next_address_ < addresses_.size()) {
    const sink::Address& address = addresses_[next_address_++];
    if (connect_to(reinterpret_cast<const sockaddr*>(&address.storage), address.length, why))
      return connected_to_one();
    blame_address();
  }
  fail(why);
}

// The last address has what is left, which the pool watches.
void Connection::connected_to_one() {
  const int on = 1;
  (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const size_t others = addresses_.size() - next_address_;
  if (others == 0) return;
  const uint64_t now = host_.now_ms();
  const uint64_t rest = ends_ms_ > now ? ends_ms_ - now : 0;
  timer_ = host_.timer(std::chrono::milliseconds(std::max<uint64_t>(rest / (others + 1), 1)),
                       [this] { address_failed("it does not answer"); });
}

void Connection::blame_address() {
  if (next_address_ > 0) route_.failed(addresses_[next_address_ - 1]);
}

void Connection::address_failed(const std::string& error) {
  timer_.cancel();
  watch_.stop();
  ::close(std::exchange(fd_, -1));
  connecting_ = false;
  blame_address();
  connect_next(error);
}

void Connection::connect_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  service_.path.copy(address.sun_path, sizeof address.sun_path - 1);
  std::string error;
  if (connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address, error)) return;
  if (errno != EAGAIN) return fail(error);
  timer_ = host_.timer(kAgain, [this] { connect_unix(); });
  if (!timer_) fail(error);
}

void Connection::ready(uint32_t events) {
  if (connecting_) return connected();
  if ((events & LSMTPD_WRITABLE) != 0 && busy() && written_ < request_.size()) write();
  if (open() && (events & (LSMTPD_READABLE | LSMTPD_FD_ERROR)) != 0) read();
}

void Connection::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return address_failed(std::strerror(error));
  connecting_ = false;
  timer_.cancel();
  write();
}

void Connection::write() {
  while (written_ < request_.size()) {
    const ssize_t count =
        ::send(fd_, request_.data() + written_, request_.size() - written_, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return fail(std::strerror(errno));
    written_ += static_cast<size_t>(count);
  }
  watch_.events(LSMTPD_READABLE | (written_ < request_.size() ? LSMTPD_WRITABLE : 0u));
}

void Connection::read() {
  char buffer[kRead];
  const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (!busy()) return close();  // the end of an idle connection, or octets that nobody asked for
  if (count < 0) return fail(std::strerror(errno));
  if (count == 0) return fail("it closed the connection without an answer");
  switch (reader_.add({buffer, static_cast<size_t>(count)})) {
    case ReplyReader::State::more:
      return;
    case ReplyReader::State::complete:
      return answered();
    case ReplyReader::State::wrong:
      return fail(reader_.problem());
  }
}

void Connection::answered() {
  Outcome outcome;
  outcome.action = reader_.action();
  if (!proved_ && next_address_ > 0) route_.works(addresses_[next_address_ - 1]);
  proved_ = true;
  if (written_ < request_.size()) {
    // It answered before it had read the request: what follows would be out of step.
    const Done done = std::move(done_);
    close();
    return done(std::move(outcome));
  }
  timer_ = host_.timer(idle_, [this] { close(); });
  finish(std::move(outcome));
}

void Connection::fail(const std::string& error) {
  Outcome outcome;
  outcome.error = error;
  outcome.stale = reused_ && reader_.empty();
  if (open() && !outcome.stale) blame_address();
  const Done done = std::move(done_);
  close();
  if (done) done(std::move(outcome));
}

void Connection::finish(Outcome outcome) {
  const Done done = std::exchange(done_, nullptr);
  if (done) done(std::move(outcome));
}

}  // namespace lsmtpd::policy
