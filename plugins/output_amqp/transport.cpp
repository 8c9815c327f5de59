// SPDX-License-Identifier: Apache-2.0
#include "transport.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <proton/error_condition.hpp>

namespace lsmtpd::amqp {

namespace {

// One pump fills the engine this often at most, so that a fast broker and a large message leave the
// loop its turns.
constexpr int kRounds = 16;
// One turn reads this often at most.
constexpr int kReads = 4;

}  // namespace

Transport::Transport(sdk::LaneHost host, int fd, Owner& owner)
    : host_(std::move(host)), owner_(owner), fd_(fd) {}

Transport::~Transport() {
  stop();
  *alive_ = false;
}

bool Transport::start() {
  watched_ = LSMTPD_READABLE;
  watch_ = host_.watch(fd_, watched_, [this](std::uint32_t events) { ready(events); });
  if (!watch_) return false;
  wake();
  return true;
}

void Transport::stop() {
  if (stopped_) return;
  stopped_ = true;
  timer_.cancel();
  watch_.stop();
  ::close(fd_);
}

void Transport::wake() {
  if (woken_ || stopped_) return;
  woken_ = true;
  host_.defer([this, alive = alive_] {
    if (*alive) pump();
  });
}

void Transport::ready(std::uint32_t events) {
  if ((events & LSMTPD_WRITABLE) != 0) blocked_ = false;
  if ((events & (LSMTPD_READABLE | LSMTPD_FD_ERROR)) != 0) read();
  wake();
}

void Transport::read() {
  for (int i = 0; i < kReads; ++i) {
    const proton::io::mutable_buffer buffer = driver_.read_buffer();
    // Closed or full: only dispatching makes room.
    if (buffer.size == 0) return watch_for(watched_ & ~LSMTPD_READABLE);
    const ssize_t got = ::recv(fd_, buffer.data, buffer.size, 0);
    if (got > 0) {
      const auto size = static_cast<std::size_t>(got);
      if (greeting_.size() < 8) greeting_.append(buffer.data, std::min(size, 8 - greeting_.size()));
      driver_.read_done(size);
      if (size < buffer.size) return;
    } else if (got == 0) {
      driver_.read_close();
      return driver_.disconnected(
          proton::error_condition("proton:io", "the broker closed the connection"));
    } else if (errno == EAGAIN || errno == EINTR) {
      return;
    } else {
      return driver_.disconnected(proton::error_condition("proton:io", std::strerror(errno)));
    }
  }
}

// Dispatching, refilling and writing each make work for the others: until none has any left.
void Transport::pump() {
  woken_ = false;
  bool active = true;
  for (int round = 0; !stopped_; ++round) {
    active = driver_.dispatch();
    if (stopped_) return;
    const bool refilled = active && owner_.refill();
    if (stopped_) return;
    tick();
    const bool wrote = write();
    if (!active && !driver_.has_events()) break;
    if (!refilled && !wrote && !driver_.has_events()) break;
    if (round >= kRounds) return wake();
  }
  if (stopped_) return;
  if (!active) return owner_.transport_ended();
  const bool room = driver_.read_buffer().size != 0;
  watch_for((room ? LSMTPD_READABLE : 0U) | (blocked_ ? LSMTPD_WRITABLE : 0U));
}

// True: bytes went out.
bool Transport::write() {
  bool wrote = false;
  while (!blocked_ && !stopped_) {
    const proton::io::const_buffer buffer = driver_.write_buffer();
    owner_.processed();
    if (buffer.size == 0) {
      buffered_ = 0;
      break;
    }
    const ssize_t sent = ::send(fd_, buffer.data, buffer.size, MSG_NOSIGNAL);
    if (sent >= 0) {
      wrote = true;
      const auto size = static_cast<std::uint64_t>(sent);
      buffered_ -= std::min(buffered_, size);
      driver_.write_done(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      blocked_ = true;
    } else if (errno != EINTR) {
      driver_.disconnected(proton::error_condition("proton:io", std::strerror(errno)));
      return true;
    }
  }
  return wrote;
}

// The engine sees only when it is ticked that bytes came or went, and counts its timeouts from
// there: so in each pump, or they would be up to twice as long as agreed.
void Transport::tick() {
  const std::uint64_t now = host_.now_ms();
  const auto next = static_cast<std::uint64_t>(
      driver_.tick(proton::timestamp(static_cast<std::int64_t>(now))).milliseconds());
  if (next == 0 || (timer_ && due_ <= next)) return;
  due_ = next;
  timer_ = host_.timer(std::chrono::milliseconds(next > now ? next - now : 1), [this] { wake(); });
}

void Transport::watch_for(std::uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  watch_.events(events);
}

}  // namespace lsmtpd::amqp
