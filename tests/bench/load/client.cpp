// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace lsmtpd::bench {
Client::Client(const Options& options)
    : options_(options), script_(options_), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  dice_.seed(options_.seed);
  if (!options_.moments.empty()) moments_.open(options_.moments);
  links_.resize(options_.connections);
  if (options_.tls) secure_ = std::make_unique<SecureContext>();
}

Client::~Client() {
  for (std::size_t place = 0; place < links_.size(); ++place) close(place);
  ::close(epoll_);
}

void Client::turn() {
  std::array<epoll_event, 256> events;
  const timespec wait{0, static_cast<long>(until_next().count())};
  const int count = epoll_pwait2(epoll_, events.data(), events.size(), &wait, nullptr);
  for (int i = 0; i < count; ++i) on_event(events[i].data.u64, events[i].events);
  while (!later_.empty() && later_.front().due <= Clock::now()) {
    const Arrival arrival = std::move(later_.front());
    later_.pop_front();
    act(arrival);
  }
  if (due_ <= Clock::now()) open_due();
}

std::chrono::nanoseconds Client::until_next() const {
  constexpr std::chrono::nanoseconds kNone{}, kMost = std::chrono::milliseconds(100);
  const Clock::time_point now = Clock::now();
  Clock::time_point next = now + kMost;
  if (!crowded_) next = std::min(next, due_);
  if (!later_.empty()) next = std::min(next, later_.front().due);
  return std::max<std::chrono::nanoseconds>(next - now, kNone);
}

// A message that finds no place is counted from its moment all the same.
void Client::open_due() {
  const Clock::time_point now = Clock::now();
  std::size_t place = 0;
  crowded_ = false;
  while (due_ <= now && !crowded_) {
    while (place < links_.size() && links_[place] != nullptr) ++place;
    if (due_ >= stop_ || gave_up()) {
      due_ = Clock::time_point::max();
    } else if (place == links_.size()) {
      crowded_ = true;
    } else {
      ++taken_;
      open(place, due_);
      draw_next();
    }
  }
}

void Client::draw_next() {
  std::exponential_distribution<double> gap(options_.rate);
  due_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap(dice_)));
  if (moments_.is_open() && due_ < stop_)
    moments_ << std::chrono::duration<double>(due_ - drawing_since_).count() << '\n';
}

void Client::follow(std::size_t place) {
  if (!options_.kept && options_.rate == 0 && take()) open(place, Clock::now());
}

void Client::open(std::size_t place, Clock::time_point now) {
  links_[place] = std::make_unique<Link>(options_, script_, *this, tally_, now);
  Link& link = *links_[place];
  link.number = ++opened_;
  ++open_;
  ++opening_;
  arrived({place, link.number, Arrival::open, {}});
}

void Client::connect(std::size_t place) {
  Link& link = *links_[place];
  link.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  const int on = 1;
  setsockopt(link.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("not an IPv4 address: " + options_.host);
  }
  if (::connect(link.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    return broken(place, std::string("connect: ") + std::strerror(errno));
  }
  watch(place, EPOLL_CTL_ADD, true);
}

void Client::close(std::size_t place) {
  if (links_[place] == nullptr) return;
  if (links_[place]->fd >= 0) ::close(links_[place]->fd);
  if (!links_[place]->ready) --opening_;
  --open_;
  links_[place].reset();
}

// The message in it, if any, is lost; the next one gets a new connection where it would have
// anyway.
void Client::broken(std::size_t place, const std::string& how) {
  tally_.failed(how);
  close(place);
  follow(place);
}

void Client::watch(std::size_t place, int operation, bool write) {
  epoll_event event{};
  event.events = EPOLLIN | (write ? EPOLLOUT : 0u);
  event.data.u64 = place;
  links_[place]->waits_to_write = write;
  epoll_ctl(epoll_, operation, links_[place]->fd, &event);
}

void Client::on_event(std::size_t place, std::uint32_t events) {
  if (links_[place] == nullptr) return;
  Link& link = *links_[place];
  const std::uint64_t number = link.number;
  if (!link.connected) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(link.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return broken(place, std::string("connect: ") + std::strerror(error));
    link.connected = true;
    if (secure_) link.secure.start(*secure_, link.fd);
    watch(place, EPOLL_CTL_MOD, false);
    if (secure_) shake(place);
  } else if (!link.secure.ready()) {
    shake(place);
  } else if (events & EPOLLOUT) {
    flush(place);
  }
  if (events & ~EPOLLOUT && links_[place] != nullptr && links_[place]->number == number)
    read(place);
}

// A client's records of a handshake are small: the kernel takes them.
void Client::shake(std::size_t place) {
  if (links_[place]->secure.shake() < 0) broken(place, "the handshake failed");
}

void Client::read(std::size_t place) {
  Link& link = *links_[place];
  if (!link.secure.ready()) return;
  char buffer[16384];
  const ssize_t size = link.secure ? link.secure.read(buffer, sizeof(buffer))
                                   : recv(link.fd, buffer, sizeof(buffer), 0);
  if (size < 0 && errno == EAGAIN) return;
  heard_ = Clock::now();
  if (size > 0 && options_.round_trip == Clock::duration::zero()) {
    link.replies.add({buffer, static_cast<std::size_t>(size)});
    return answer(place);
  }
  Arrival arrival{place, link.number, size > 0 ? Arrival::bytes : Arrival::end, {}};
  if (size > 0) {
    arrival.text.assign(buffer, static_cast<std::size_t>(size));
  } else {
    arrival.text = size == 0 ? "the server hung up" : std::strerror(errno);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, link.fd, nullptr);
  }
  arrived(std::move(arrival));
}

void Client::arrived(Arrival&& arrival) {
  if (options_.round_trip == Clock::duration::zero()) return act(arrival);
  arrival.due = Clock::now() + options_.round_trip;
  later_.push_back(std::move(arrival));
}

void Client::act(const Arrival& arrival) {
  Link* link = links_[arrival.place].get();
  if (link == nullptr || link->number != arrival.number) return;
  heard_ = Clock::now();
  if (arrival.kind == Arrival::open) return connect(arrival.place);
  if (arrival.kind == Arrival::end) {
    return broken(arrival.place,
                  arrival.text + " while it owed a reply to " + link->dialogue.waits_for());
  }
  link->replies.add(arrival.text);
  answer(arrival.place);
}

void Client::answer(std::size_t place) {
  Link& link = *links_[place];
  for (std::string_view reply = link.replies.next(); !reply.empty(); reply = link.replies.next()) {
    if (link.dialogue.replied(reply, heard_)) continue;
    close(place);
    follow(place);
    return;
  }
  if (link.dialogue.ready() && !link.ready) {
    link.ready = true;
    --opening_;
    if (missing_.empty()) missing_ = link.dialogue.missing();
  }
  flush(place);
}

ssize_t Client::send_pieces(Link& link) {
  const std::deque<Piece>& pieces = link.dialogue.outgoing();
  if (link.secure) {
    std::string text;
    for (const Piece& piece : pieces) {
      text += text.empty() ? piece.text.substr(link.sent) : piece.text;
      if (text.size() >= 16384) break;  // a record has no more
    }
    return link.secure.write(text.data(), text.size());
  }
  std::array<iovec, 16> vectors;
  std::size_t count = 0;
  for (; count < vectors.size() && count < pieces.size(); ++count) {
    const std::string_view text = pieces[count].text.substr(count == 0 ? link.sent : 0);
    vectors[count] = {const_cast<char*>(text.data()), text.size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  return sendmsg(link.fd, &message, MSG_NOSIGNAL);
}

void Client::flush(std::size_t place) {
  Link& link = *links_[place];
  std::deque<Piece>& pieces = link.dialogue.outgoing();
  while (!pieces.empty()) {
    const ssize_t size = send_pieces(link);
    if (size < 0 && errno != EAGAIN) {
      return broken(place, std::string("write: ") + std::strerror(errno));
    }
    if (size < 0) break;
    link.sent += static_cast<std::size_t>(size);
    const Clock::time_point now = Clock::now();
    while (!pieces.empty() && link.sent >= pieces.front().text.size()) {
      link.sent -= pieces.front().text.size();
      link.dialogue.sent(now);
    }
  }
  if (pieces.empty() == link.waits_to_write) watch(place, EPOLL_CTL_MOD, !pieces.empty());
}

}  // namespace lsmtpd::bench
