// SPDX-License-Identifier: Apache-2.0
// Accepts the connections of one socket of socket_binding.hpp. [loop]
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"
#include "io/tcp.hpp"

namespace lsmtpd::io {

// The order in which the listeners of one socket accept. [any]
class AcceptTurns {
 public:
  void join() { ++listeners_; }
  void leave() { --listeners_; }
  void took(const void* listener) { last_ = listener; }
  // False: it took the last one, and another may take this one.
  bool is_turn_of(const void* listener) const { return last_ != listener || listeners_ < 2; }

 private:
  std::atomic<const void*> last_{nullptr};
  std::atomic<uint32_t> listeners_{0};
};

class Listener {
 public:
  using Accepted = std::function<void(std::unique_ptr<TcpStream>)>;
  // Takes the socket over and listens. [loop]
  static Result<std::unique_ptr<Listener>> open(Loop& loop, UniqueFd socket, Accepted accepted);
  // The same for a socket that listens already, and from which others accept too: takes one
  // connection in each turn of the loop, and leaves the next one to the others for a millisecond,
  // so that they share the work. `turns` is that of the socket. [loop]
  static Result<std::unique_ptr<Listener>> open_shared(Loop& loop, UniqueFd socket,
                                                       std::shared_ptr<AcceptTurns> turns,
                                                       Accepted accepted);
  // Before it ends: accepts all connections that the kernel has for it by now, and lets no more in.
  // Where a socket closes that others share its port with, its waiting connections would be reset.
  // Does nothing where the socket is shared: it stays open for the others.
  void accept_rest();
  ~Listener();  // stops listening
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  struct Impl;
  explicit Listener(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

}  // namespace lsmtpd::io
