// SPDX-License-Identifier: Apache-2.0
#include "admin/http_server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace lsmtpd::admin {

HttpServer::HttpServer(io::Loop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)), pace_(loop, [this] { new_pace(); }) {
  pace_.start(kPaceMs, kPaceMs);
}

HttpServer::~HttpServer() {
  for (const auto& exchange : std::list(exchanges_)) exchange->close();
}

void HttpServer::add(UniqueFd socket, bool local) {
  auto& listening = *listening_.emplace_back(std::make_unique<Listening>());
  listening.fd = std::move(socket);
  listening.local = local;
  listening.watch = std::make_unique<io::Watch>(loop_, listening.fd.get(),
                                                [this, &listening](int) { accept(listening); });
  listening.watch->want(io::Watch::kReadable);
}

// A connection beyond the pace waits in the kernel's queue, and so it does while there are no
// descriptors.
void HttpServer::accept(Listening& listening) {
  while (listening.in_pace < kMostInPace) {
    UniqueFd fd(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (!fd && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (!fd) break;
    ++listening.in_pace;
    make_room(listening.local);
    exchanges_.push_back(std::make_shared<Exchange>(*this, std::move(fd), listening.local));
    std::shared_ptr(exchanges_.back())->start();
  }
  listening.watch->want(0);
  listening.in_pace = kMostInPace;
}

void HttpServer::new_pace() {
  for (const auto& listening : listening_) {
    if (listening->in_pace >= kMostInPace) listening->watch->want(io::Watch::kReadable);
    listening->in_pace = 0;
  }
}

// The TCP side cannot take places from the socket's.
void HttpServer::make_room(bool local) {
  const auto same = [&](const auto& exchange) { return exchange->local_ == local; };
  const auto count = std::count_if(exchanges_.begin(), exchanges_.end(), same);
  if (count < static_cast<std::ptrdiff_t>(local ? kMostLocal : kMostTcp)) return;
  auto victim = std::find_if(exchanges_.begin(), exchanges_.end(), [&](const auto& exchange) {
    return same(exchange) && exchange->state_ == Exchange::State::request;
  });
  if (victim == exchanges_.end()) victim = std::find_if(exchanges_.begin(), exchanges_.end(), same);
  std::shared_ptr(*victim)->close();
}

// It may be in one of its own functions: it goes at the end of the turn.
void HttpServer::remove(Exchange& exchange) {
  const auto found = std::find_if(exchanges_.begin(), exchanges_.end(),
                                  [&](const auto& each) { return each.get() == &exchange; });
  if (found == exchanges_.end()) return;
  loop_.defer([kept = *found] {});
  exchanges_.erase(found);
}

}  // namespace lsmtpd::admin
