// SPDX-License-Identifier: Apache-2.0
#include "io/tcp.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <cstring>

namespace lsmtpd::io {

namespace {

constexpr int kBacklog = 1024;

Endpoint endpoint_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
      inet_ntop(AF_INET, &in6.sin6_addr.s6_addr[12], text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(in6.sin6_port)};
  }
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return {text, ntohs(in.sin_port)};
  }
  return {};
}

Result<UniqueFd> bind_address(const addrinfo& info, uint16_t port, bool shared) {
  UniqueFd fd(::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail("{}", strerror(errno));
  const int on = 1, off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return fail("SO_REUSEPORT: {}", strerror(errno));
  }
  sockaddr_storage address{};
  std::memcpy(&address, info.ai_addr, info.ai_addrlen);
  if (info.ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) != 0) {
    return fail("{}", strerror(errno));
  }
  return fd;
}

// An address of a name that this machine has not, such as ::1 where IPv6 is off.
bool is_not_ours() {
  return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT;
}

Result<std::vector<UniqueFd>> bind_name(const std::string& host, uint16_t port, bool shared) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = host == "*" ? AF_INET6 : AF_UNSPEC;  // one socket takes both (V6ONLY is off)
  addrinfo* list = nullptr;
  int status = ::getaddrinfo(host == "*" ? nullptr : host.c_str(), "0", &hints, &list);
  if (status != 0) return fail("cannot resolve {}: {}", host, gai_strerror(status));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  std::vector<UniqueFd> sockets;
  Error error;
  for (; list; list = list->ai_next) {
    errno = 0;
    auto bound = bind_address(*list, port, shared);
    if (bound) {
      port = local_endpoint(bound->get()).port;  // the others' too, where it was 0
      sockets.push_back(std::move(*bound));
      continue;
    }
    const bool skip = is_not_ours();
    error = bound.error();
    if (!skip) {
      sockets.clear();
      break;
    }
  }
  if (!sockets.empty()) return sockets;
  if (host == "*") return bind_name("0.0.0.0", port, shared);  // a machine without IPv6
  return fail("cannot bind {}:{}: {}", host, port, error.message);
}

}  // namespace

std::string Endpoint::text() const {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]:" : address + ":") + std::to_string(port);
}

Result<UniqueFd> bind_tcp(const std::string& host, uint16_t port) {
  auto sockets = bind_name(host, port, true);
  if (!sockets) return tl::unexpected(sockets.error());
  return std::move(sockets->front());
}

Result<std::vector<UniqueFd>> bind_all(const std::string& host, uint16_t port) {
  return bind_name(host, port, true);
}

Status try_bind(const std::string& host, uint16_t port) {
  auto bound = bind_name(host, port, false);
  if (!bound) return tl::unexpected(bound.error());
  return {};
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return endpoint_of(address);
}

struct TcpStream::Impl {
  explicit Impl(Loop& l) : loop(l) {
    handle.data = this;
    uv_tcp_init(loop.uv(), &handle);
  }

  int fd() const {
    uv_os_fd_t number = -1;
    uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle), &number);
    return number;
  }
  void read(ssize_t count);
  void send_kept();
  void sent(int status);
  void start_lingering();
  void close();
  void closed();

  Loop& loop;
  uv_tcp_t handle{};
  Stream::Handler* handler = nullptr;
  std::string kept;     // is sent after the write under way
  std::string sending;  // belongs to that write
  std::unique_ptr<uv_write_t> write;
  std::unique_ptr<Timer> linger_timer;
  bool close_after = false;
  bool linger = false;
  bool lingering = false;
  bool closing = false;
  bool orphan = false;  // the TcpStream is gone
};

void TcpStream::Impl::read(ssize_t count) {
  if (lingering) {
    if (count < 0) close();
    return;
  }
  if (count > 0) {
    handler->on_read({loop.read_buffer(), static_cast<size_t>(count)});
  } else if (count < 0) {
    uv_read_stop(reinterpret_cast<uv_stream_t*>(&handle));
    handler->on_end(count == UV_EOF ? Stream::End::goodbye : Stream::End::broken);
  }
}

void TcpStream::Impl::send_kept() {
  sending.swap(kept);
  kept.clear();
  if (!write) write = std::make_unique<uv_write_t>();
  write->data = this;
  uv_buf_t buffer = uv_buf_init(sending.data(), static_cast<unsigned>(sending.size()));
  const int status = uv_write(write.get(), reinterpret_cast<uv_stream_t*>(&handle), &buffer, 1,
                              [](uv_write_t* w, int s) { static_cast<Impl*>(w->data)->sent(s); });
  if (status != 0) sending.clear();  // broken: the reading side reports it
}

void TcpStream::Impl::sent(int status) {
  sending.clear();
  if (closing) return;
  if (status != 0) {
    kept.clear();
    handler->on_end(Stream::End::broken);
  } else if (!kept.empty()) {
    send_kept();
  } else if (close_after) {
    linger ? start_lingering() : close();
  } else {
    sending.shrink_to_fit();
    kept.shrink_to_fit();  // the buffer of a write before
    handler->on_drained();
  }
}

void TcpStream::Impl::start_lingering() {
  ::shutdown(fd(), SHUT_WR);
  lingering = true;
  linger_timer = std::make_unique<Timer>(loop, [this] { close(); });
  linger_timer->start(Stream::kLingerMs);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&handle),
      [](uv_handle_t* h, size_t, uv_buf_t* b) {
        *b = uv_buf_init(static_cast<Impl*>(h->data)->loop.read_buffer(), Loop::kReadBuffer);
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t*) { static_cast<Impl*>(s->data)->read(n); });
}

void TcpStream::Impl::close() {
  if (closing) return;
  closing = true;
  linger_timer.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&handle),
           [](uv_handle_t* h) { static_cast<Impl*>(h->data)->closed(); });
}

void TcpStream::Impl::closed() {
  if (!orphan) {
    Stream::Handler* told = handler;
    handler = nullptr;
    if (told) told->on_closed();  // the owner's destructor finds `closing` and leaves this to us
  }
  delete this;
}

TcpStream::~TcpStream() {
  if (!impl_->handler && impl_->closing) return;  // inside on_closed(): closed() frees it
  impl_->orphan = true;
  impl_->close();
}

void TcpStream::set_handler(Handler& handler) {
  impl_->handler = &handler;
}

Endpoint TcpStream::peer() const {
  sockaddr_storage address{};
  int size = sizeof address;
  uv_tcp_getpeername(&impl_->handle, reinterpret_cast<sockaddr*>(&address), &size);
  return endpoint_of(address);
}

Endpoint TcpStream::local() const {
  return local_endpoint(impl_->fd());
}

bool TcpStream::has_unread_bytes() const {
  char byte;
  return ::recv(impl_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void TcpStream::read_start() {
  if (impl_->closing || impl_->close_after) return;
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&impl_->handle),
      [](uv_handle_t* h, size_t, uv_buf_t* b) {
        *b = uv_buf_init(static_cast<Impl*>(h->data)->loop.read_buffer(), Loop::kReadBuffer);
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t*) { static_cast<Impl*>(s->data)->read(n); });
}

void TcpStream::read_stop() {
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&impl_->handle));
}

void TcpStream::write(std::string_view bytes) {
  if (impl_->closing || impl_->close_after) return;
  if (impl_->sending.empty()) {
    uv_buf_t buffer =
        uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
    const int n = uv_try_write(reinterpret_cast<uv_stream_t*>(&impl_->handle), &buffer, 1);
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    // Errors other than EAGAIN come back from the uv_write below, or from the read.
  }
  if (bytes.empty()) return;
  impl_->kept.append(bytes);
  if (impl_->sending.empty()) impl_->send_kept();
}

uint64_t TcpStream::unsent() const {
  return impl_->kept.size() + impl_->sending.size();
}

void TcpStream::close_when_sent(bool linger) {
  if (impl_->closing || impl_->close_after) return;
  read_stop();
  impl_->close_after = true;
  impl_->linger = linger;
  if (unsent() == 0) linger ? impl_->start_lingering() : impl_->close();
}

void TcpStream::close() {
  impl_->close();
}

struct Listener::Impl {
  uv_tcp_t handle{};
  Loop* loop = nullptr;
  Accepted accepted;
};

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, UniqueFd socket, Accepted accepted) {
  auto* impl = new Impl;
  impl->loop = &loop;
  impl->accepted = std::move(accepted);
  impl->handle.data = impl;
  uv_tcp_init(loop.uv(), &impl->handle);
  std::unique_ptr<Listener> listener(new Listener(impl));
  int status = uv_tcp_open(&impl->handle, socket.get());
  if (status == 0) {
    socket.release();
    status =
        uv_listen(reinterpret_cast<uv_stream_t*>(&impl->handle), kBacklog,
                  [](uv_stream_t* server, int error) {
                    if (error != 0) return;
                    auto* self = static_cast<Impl*>(server->data);
                    auto* stream = new TcpStream::Impl(*self->loop);
                    std::unique_ptr<TcpStream> owner(new TcpStream(stream));
                    if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&stream->handle)) == 0) {
                      uv_tcp_nodelay(&stream->handle, 1);
                      self->accepted(std::move(owner));
                    }
                  });
  }
  if (status != 0) return fail("cannot listen: {}", uv_strerror(status));
  return listener;
}

Listener::~Listener() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* h) { delete static_cast<Impl*>(h->data); });
}

}  // namespace lsmtpd::io
