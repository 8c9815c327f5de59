// SPDX-License-Identifier: Apache-2.0
#include "byte_pump.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lsmtpd::sink {

namespace {

// One pump refills this often at most, and one turn reads this often, so that a fast broker and a
// large message leave the loop its turns.
constexpr int kRounds = 16;
constexpr int kReads = 4;
constexpr std::size_t kReadPiece = 16 * 1024;
// A record of TLS.
constexpr std::size_t kTlsPiece = 16 * 1024;
// Octets that the buffer keeps when it has been sent.
constexpr std::size_t kKept = 64 * 1024;

}  // namespace

BytePump::BytePump(sdk::LaneHost host, int fd, std::unique_ptr<Tls> tls, Owner& owner)
    : host_(std::move(host)), owner_(owner), fd_(fd), tls_(std::move(tls)) {}

BytePump::~BytePump() {
  stop();
  *alive_ = false;
}

bool BytePump::start() {
  heard_at_ = said_at_ = host_.now_ms();
  watched_ = LSMTPD_READABLE;
  watch_ = host_.watch(fd_, watched_, [this](std::uint32_t events) { ready(events); });
  if (!watch_) return false;
  wake();
  return true;
}

void BytePump::stop() {
  if (stopped_) return;
  stopped_ = true;
  watch_.stop();
  if (tls_) {
    tls_->close();
    const std::string_view last = tls_->pending();
    (void)!::send(fd_, last.data(), last.size(), MSG_NOSIGNAL);
  }
  ::close(fd_);
}

void BytePump::wake() {
  if (woken_ || stopped_) return;
  woken_ = true;
  host_.defer([this, alive = alive_] {
    if (*alive) pump();
  });
}

void BytePump::ready(std::uint32_t events) {
  if ((events & LSMTPD_WRITABLE) != 0) blocked_ = false;
  if ((events & (LSMTPD_READABLE | LSMTPD_FD_ERROR)) != 0) {
    for (int i = 0; i < kReads && !stopped_ && read(); ++i) {
    }
  }
  wake();
}

void BytePump::end(const std::string& why) {
  if (!stopped_) owner_.ended(why);
}

// False: there is no more for now.
bool BytePump::read() {
  char buffer[kReadPiece];
  const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0) {
    end(std::strerror(errno));
    return false;
  }
  if (got == 0) {
    end("the broker closed the connection");
    return false;
  }
  heard_at_ = host_.now_ms();
  const auto size = static_cast<std::size_t>(got);
  if (!tls_) {
    owner_.received({buffer, size});
    return size == sizeof buffer;
  }
  tls_->feed({buffer, size});
  return take_from_tls() && size == sizeof buffer;
}

// False: it has ended.
bool BytePump::take_from_tls() {
  char buffer[kReadPiece];
  if (tls_->established() && !std::exchange(secured_, true)) owner_.secured();
  while (!stopped_) {
    const std::size_t got = tls_->read(buffer, sizeof buffer);
    if (!tls_->error().empty()) {
      end(tls_->error());
      return false;
    }
    if (got == 0) return true;
    owner_.received({buffer, got});
  }
  return false;
}

// Refilling and writing each make room for the other: until neither has anything to do.
void BytePump::pump() {
  woken_ = false;
  for (int round = 0; !stopped_; ++round) {
    const bool refilled = owner_.refill();
    if (stopped_) return;
    const bool wrote = tls_ ? write_tls() : write();
    if (stopped_ || (!refilled && !wrote)) break;
    if (round >= kRounds) return wake();
  }
  if (stopped_) return;
  watch_for(LSMTPD_READABLE | (blocked_ ? LSMTPD_WRITABLE : 0U));
}

void BytePump::taken(std::size_t bytes) {
  out_sent_ += bytes;
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
    if (out_.capacity() > kKept) out_.shrink_to_fit();
  } else if (out_sent_ >= kKept) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
}

// True: octets went out.
bool BytePump::write() {
  bool wrote = false;
  while (!blocked_ && !stopped_ && unsent() != 0) {
    std::size_t sent = 0;
    if (!send_some(std::string_view(out_).substr(out_sent_), &sent)) return true;
    taken(sent);
    wrote |= sent != 0;
  }
  return wrote;
}

// The same, a record at a time: the next is made when the socket has taken the last.
bool BytePump::write_tls() {
  bool wrote = false;
  tls_->advance();
  if (!tls_->error().empty()) {
    end(tls_->error());
    return true;
  }
  while (!blocked_ && !stopped_) {
    const std::string_view ciphertext = tls_->pending();
    if (!ciphertext.empty()) {
      std::size_t sent = 0;
      if (!send_some(ciphertext, &sent)) return true;
      tls_->sent(sent);
      wrote |= sent != 0;
      continue;
    }
    const std::size_t put =
        unsent() == 0 ? 0 : tls_->write(std::string_view(out_).substr(out_sent_, kTlsPiece));
    if (put == 0) break;
    taken(put);
  }
  return wrote;
}

// False: the connection is lost. A full socket sets blocked_.
bool BytePump::send_some(std::string_view bytes, std::size_t* sent) {
  const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (put >= 0) {
    *sent = static_cast<std::size_t>(put);
    said_at_ = host_.now_ms();
  } else if (errno == EAGAIN) {
    blocked_ = true;
  } else if (errno != EINTR) {
    end(std::strerror(errno));
    return false;
  }
  return true;
}

void BytePump::watch_for(std::uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  watch_.events(events);
}

}  // namespace lsmtpd::sink
