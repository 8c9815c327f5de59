// SPDX-License-Identifier: Apache-2.0
#include "io/tcp_listener.hpp"

#include <linux/filter.h>
#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <chrono>
#include <optional>

#include "io/socket_binding.hpp"

namespace lsmtpd::io {

struct Listener::Impl {
  bool accept_one(int fd);
  bool is_its_turn();

  uv_tcp_t handle{};
  Loop* loop = nullptr;
  Accepted accepted;
  // Of a shared socket; then there is no handle.
  UniqueFd shared;
  std::shared_ptr<AcceptTurns> turns;
  std::optional<std::chrono::steady_clock::time_point> leaves_since;  // the next one to the others
  std::unique_ptr<Watch> watch;
  std::unique_ptr<Timer> pause;
};

// False: there is none, or none can be taken now, which errno says.
bool Listener::Impl::accept_one(int fd) {
  UniqueFd socket;
  do {
    socket = UniqueFd(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  } while (!socket && (errno == ECONNABORTED || errno == EINTR));
  if (!socket) return false;
  if (auto stream = TcpStream::open(*loop, std::move(socket))) accepted(std::move(stream));
  return true;
}

// The connection stays readable: where the others take it the loop hears nothing more of it, and
// where they are busy it asks again at once.
bool Listener::Impl::is_its_turn() {
  constexpr std::chrono::milliseconds kForOthers{1};
  if (!turns->is_turn_of(this)) {
    const auto now = std::chrono::steady_clock::now();
    if (!leaves_since) leaves_since = now;
    if (now - *leaves_since < kForOthers) return false;
  }
  leaves_since.reset();
  return true;
}

Result<std::unique_ptr<Listener>> Listener::open_shared(Loop& loop, UniqueFd socket,
                                                        std::shared_ptr<AcceptTurns> turns,
                                                        Accepted accepted) {
  constexpr uint64_t kPauseMs = 100;  // where there is no descriptor
  auto* impl = new Impl;
  std::unique_ptr<Listener> listener(new Listener(impl));
  impl->loop = &loop;
  impl->accepted = std::move(accepted);
  impl->shared = std::move(socket);
  impl->turns = std::move(turns);
  impl->turns->join();
  impl->pause = std::make_unique<Timer>(loop, [impl] { impl->watch->want(Watch::kReadable); });
  impl->watch = std::make_unique<Watch>(loop, impl->shared.get(), [impl](int) {
    if (!impl->is_its_turn()) return;
    if (impl->accept_one(impl->shared.get())) {
      impl->turns->took(impl);
      return;
    }
    if (errno == EAGAIN) return;
    impl->watch->want(0);
    impl->pause->start(kPauseMs);
  });
  if (!impl->watch->ok()) return fail("cannot listen: the socket cannot be watched");
  impl->watch->want(Watch::kReadable);
  return listener;
}

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
    status = uv_listen(reinterpret_cast<uv_stream_t*>(&impl->handle), kListenQueue,
                       [](uv_stream_t* server, int error) {
                         if (error != 0) return;
                         auto* self = static_cast<Impl*>(server->data);
                         if (auto stream = TcpStream::accept(*self->loop, *server))
                           self->accepted(std::move(stream));
                       });
  }
  if (status != 0) return fail("cannot listen: {}", uv_strerror(status));
  return listener;
}

namespace {

// Of one listening socket: connections that are complete stay, and new ones are not begun. The
// client tries again a second later, by when the socket is closed.
void refuse_new(int fd) {
  sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{1, drop_all};
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace

void Listener::accept_rest() {
  uv_os_fd_t fd = -1;
  if (impl_->watch || uv_fileno(reinterpret_cast<const uv_handle_t*>(&impl_->handle), &fd) != 0)
    return;
  refuse_new(fd);
  for (int left = kListenQueue + 1; left > 0 && impl_->accept_one(fd); --left) {
  }
}

Listener::~Listener() {
  if (impl_->watch) {
    impl_->turns->leave();
    delete impl_;
    return;
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* h) { delete static_cast<Impl*>(h->data); });
}

}  // namespace lsmtpd::io
