// SPDX-License-Identifier: Apache-2.0
#include "io/tcp.hpp"

#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <string>

namespace lsmtpd::io {

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
  size_t read_at_once = Loop::kReadBuffer;
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

std::unique_ptr<TcpStream> TcpStream::open(Loop& loop, UniqueFd socket) {
  auto* impl = new Impl(loop);
  std::unique_ptr<TcpStream> stream(new TcpStream(impl));
  if (uv_tcp_open(&impl->handle, socket.get()) != 0) return nullptr;
  socket.release();
  uv_tcp_nodelay(&impl->handle, 1);
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::accept(Loop& loop, uv_stream_t& server) {
  auto* impl = new Impl(loop);
  std::unique_ptr<TcpStream> stream(new TcpStream(impl));
  if (uv_accept(&server, reinterpret_cast<uv_stream_t*>(&impl->handle)) != 0) return nullptr;
  uv_tcp_nodelay(&impl->handle, 1);
  return stream;
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
        auto* self = static_cast<Impl*>(h->data);
        *b = uv_buf_init(self->loop.read_buffer(), static_cast<unsigned>(self->read_at_once));
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t*) { static_cast<Impl*>(s->data)->read(n); });
}

void TcpStream::read_stop() {
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&impl_->handle));
}

void TcpStream::limit_reads(size_t octets) {
  impl_->read_at_once = std::min(octets, Loop::kReadBuffer);
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

}  // namespace lsmtpd::io
