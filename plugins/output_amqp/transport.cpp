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
// A record of TLS.
constexpr std::size_t kTlsPiece = 16 * 1024;

}  // namespace

Transport::Transport(sdk::LaneHost host, int fd, std::unique_ptr<sink::Tls> tls, Owner& owner)
    : host_(std::move(host)), owner_(owner), fd_(fd), tls_(std::move(tls)) {}

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
  if (tls_) {
    tls_->close();
    const std::string_view last = tls_->pending();
    (void)!::send(fd_, last.data(), last.size(), MSG_NOSIGNAL);
  }
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

void Transport::end(const std::string& why) {
  driver_.disconnected(proton::error_condition("lsmtpd:io", why));
}

void Transport::read() {
  for (int i = 0; i < kReads; ++i) {
    // Closed or full: only dispatching makes room.
    if (driver_.read_buffer().size == 0) return watch_for(watched_ & ~LSMTPD_READABLE);
    if (!read_clear()) return;
  }
}

// False: there is no more for now.
bool Transport::read_clear() {
  char ciphertext[16 * 1024];
  const proton::io::mutable_buffer buffer = driver_.read_buffer();
  char* const out = tls_ ? ciphertext : buffer.data;
  const std::size_t room = tls_ ? sizeof ciphertext : buffer.size;
  const ssize_t got = ::recv(fd_, out, room, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0) {
    end(std::strerror(errno));
    return false;
  }
  if (got == 0) {
    // Before AMQP began the engine would only miss its header.
    if (said_.greeting().empty()) end("the broker closed the connection");
    driver_.read_close();
    end("the broker closed the connection");
    return false;
  }
  const auto size = static_cast<std::size_t>(got);
  if (!tls_) return taken(out, size) && size == room;
  tls_->feed({out, size});
  return take_from_tls() && size == room;
}

// Clear text that the engine has room for. True: there was some.
bool Transport::take_from_tls() {
  bool took = false;
  while (!stopped_) {
    const proton::io::mutable_buffer buffer = driver_.read_buffer();
    const std::size_t got = tls_->read(buffer.data, buffer.size);
    if (!tls_->error().empty()) {
      driver_.disconnected(proton::error_condition("tls", tls_->error()));
      return false;
    }
    if (got == 0 || !taken(buffer.data, got)) return took;
    took = true;
  }
  return took;
}

// The engine's buffer has so many bytes more. False: they are refused.
bool Transport::taken(const char* bytes, std::size_t size) {
  said_.feed({bytes, size});
  if (said_.transfers() > expected_transfers_) {
    end("the broker sent messages that it was not asked for");
    return false;
  }
  driver_.read_done(size);
  return true;
}

// Dispatching, refilling and writing each make work for the others: until none has any left.
void Transport::pump() {
  woken_ = false;
  bool active = true;
  for (int round = 0; !stopped_; ++round) {
    const bool took = tls_ && take_from_tls();
    active = driver_.dispatch();
    if (stopped_) return;
    const bool refilled = active && owner_.refill();
    if (stopped_) return;
    tick();
    const bool wrote = write();
    if (!active && !driver_.has_events()) break;
    if (!refilled && !wrote && !took && !driver_.has_events()) break;
    if (round >= kRounds) return wake();
  }
  if (stopped_) return;
  if (!active) return owner_.transport_ended();
  const bool room = driver_.read_buffer().size != 0;
  watch_for((room ? LSMTPD_READABLE : 0U) | (blocked_ ? LSMTPD_WRITABLE : 0U));
}

// True: bytes went out.
bool Transport::write() {
  if (tls_) return write_tls();
  bool wrote = false;
  while (!blocked_ && !stopped_) {
    const proton::io::const_buffer buffer = driver_.write_buffer();
    owner_.processed();
    if (buffer.size == 0) {
      buffered_ = 0;
      break;
    }
    std::size_t sent = 0;
    if (!send_some(buffer.data, buffer.size, &sent)) return true;
    wrote |= sent != 0;
    buffered_ -= std::min<std::uint64_t>(buffered_, sent);
    driver_.write_done(sent);
  }
  return wrote;
}

// The same, a piece at a time: the next is made when the socket has taken the last.
bool Transport::write_tls() {
  bool wrote = false;
  tls_->advance();
  while (!blocked_ && !stopped_) {
    const std::string_view ciphertext = tls_->pending();
    if (!ciphertext.empty()) {
      std::size_t sent = 0;
      if (!send_some(ciphertext.data(), ciphertext.size(), &sent)) return true;
      tls_->sent(sent);
      wrote |= sent != 0;
      continue;
    }
    const proton::io::const_buffer buffer = driver_.write_buffer();
    owner_.processed();
    if (buffer.size == 0) buffered_ = 0;
    const std::size_t taken_now = tls_->write({buffer.data, std::min(buffer.size, kTlsPiece)});
    if (taken_now == 0) break;
    buffered_ -= std::min<std::uint64_t>(buffered_, taken_now);
    driver_.write_done(taken_now);
  }
  return wrote;
}

// False: the connection is lost. A full socket sets blocked_.
bool Transport::send_some(const char* bytes, std::size_t size, std::size_t* sent) {
  const ssize_t put = ::send(fd_, bytes, size, MSG_NOSIGNAL);
  if (put >= 0) {
    *sent = static_cast<std::size_t>(put);
  } else if (errno == EAGAIN) {
    blocked_ = true;
  } else if (errno != EINTR) {
    end(std::strerror(errno));
    return false;
  }
  return true;
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
