// SPDX-License-Identifier: Apache-2.0
// Exchange: the octets of one request and of its answer.
#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "admin/http_server.hpp"

namespace lsmtpd::admin {

namespace {

constexpr size_t kReadAtOnce = 4096;

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 421:
      return "Misdirected Request";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

// "root (uid 0, pid 12)"
std::string peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unknown";
  std::array<char, 1024> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(peer.uid, &entry, buffer.data(), buffer.size(), &found);
  return fmt::format("{} (uid {}, pid {})", found ? found->pw_name : "?", peer.uid, peer.pid);
}

}  // namespace

Exchange::Exchange(HttpServer& server, UniqueFd fd, bool local)
    : server_(server), fd_(std::move(fd)), local_(local), deadline_([this] { close(); }) {}

Exchange::~Exchange() = default;

void Exchange::start() {
  watch_ =
      std::make_unique<io::Watch>(server_.loop_, fd_.get(), [this](int events) { ready(events); });
  watch_->want(io::Watch::kReadable);
  server_.loop_.deadlines().arm(deadline_, HttpServer::kRequestMs);
}

void Exchange::ready(int events) {
  const auto self = shared_from_this();
  if (events & io::Watch::kWritable) flush();
  if (state_ != State::closed && (events & (io::Watch::kReadable | io::Watch::kError))) read();
}

void Exchange::read() {
  char buffer[kReadAtOnce];
  const ssize_t size = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    close();
  } else if (state_ == State::request) {
    got({buffer, static_cast<size_t>(size)});
  }
  // Octets behind the request are not read.
}

void Exchange::got(std::string_view octets) {
  switch (reader_.put(octets)) {
    case RequestReader::Read::more:
      return;
    case RequestReader::Read::bad:
      state_ = State::handler;
      answer(400, "text/plain", "not an HTTP request\n");
      return;
    case RequestReader::Read::too_large:
      state_ = State::handler;
      answer(413, "text/plain", "the request is too large\n");
      return;
    case RequestReader::Read::done:
      break;
  }
  state_ = State::handler;
  deadline_.disarm();
  request_ = reader_.take();
  request_.local = local_;
  if (local_) request_.by = peer_of(fd_.get());
  server_.handler_(shared_from_this());
}

void Exchange::answer(int status, std::string_view type, std::string_view body,
                      std::string_view more) {
  if (state_ != State::handler) return;
  // No page of another site may show or read this one.
  out_ = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n{}Connection: close\r\n\r\n",
      status, phrase_of(status), type, body.size(), more);
  if (request_.method != "HEAD") out_ += body;
  ended_ = true;
  state_ = State::answer;
  server_.loop_.deadlines().arm(deadline_, HttpServer::kAnswerMs);
  flush();
}

void Exchange::begin(std::string_view type) {
  if (state_ != State::handler) return;
  out_ = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
      type);
  streams_ = true;
  state_ = State::answer;
  flush();
}

void Exchange::write(std::string_view piece) {
  if (state_ != State::answer || !streams_ || ended_) return;
  if (out_.size() - sent_ + piece.size() > kMostUnsent) {
    close();
    return;
  }
  out_ += piece;
  flush();
}

void Exchange::end() {
  if (state_ != State::answer || ended_) return;
  ended_ = true;
  server_.loop_.deadlines().arm(deadline_, HttpServer::kAnswerMs);
  flush();
}

void Exchange::flush() {
  if (state_ != State::answer) return;
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      watch_->want(io::Watch::kReadable | io::Watch::kWritable);
      return;
    }
    if (size <= 0) {
      close();
      return;
    }
    sent_ += static_cast<size_t>(size);
  }
  sent_all();
}

// Closed with octets unread the kernel would reset the connection, and the client might lose the
// answer: it has a moment to close first.
void Exchange::sent_all() {
  out_.clear();
  sent_ = 0;
  watch_->want(io::Watch::kReadable);
  if (!ended_) return;
  state_ = State::lingering;
  ::shutdown(fd_.get(), SHUT_WR);
  server_.loop_.deadlines().arm(deadline_, HttpServer::kLingerMs);
}

void Exchange::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  deadline_.disarm();
  watch_.reset();
  fd_.reset();
  if (auto closed = std::exchange(closed_, nullptr)) closed();
  server_.remove(*this);
}

}  // namespace lsmtpd::admin
