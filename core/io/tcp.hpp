// SPDX-License-Identifier: Apache-2.0
// TCP: sockets to listen on, and the streams they accept.
//
// bind_tcp() [main, before privileges are dropped] makes one socket a worker; each worker's
// Listener accepts from its own (SO_REUSEPORT), so that nothing is shared on the way of a
// connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"

namespace lsmtpd::io {

// A bound, not yet listening socket with SO_REUSEADDR and SO_REUSEPORT. `host` is a name, an
// address or "*". `port` 0 takes a free one: ask local_endpoint(), and bind the other workers'
// sockets to that.
Result<UniqueFd> bind_tcp(const std::string& host, uint16_t port);
// The same on every address that `host` has and this machine knows; on one port.
Result<std::vector<UniqueFd>> bind_all(const std::string& host, uint16_t port);
Endpoint local_endpoint(int fd);
// An error where another process listens there already: SO_REUSEPORT alone would share the address
// with it without an error.
Status try_bind(const std::string& host, uint16_t port);

// One accepted connection. [loop]
class TcpStream final : public Stream {
 public:
  ~TcpStream() override;

  void set_handler(Handler& handler) override;
  Endpoint peer() const override;
  Endpoint local() const override;
  bool has_unread_bytes() const override;  // asks the kernel
  void read_start() override;
  void read_stop() override;
  void write(std::string_view bytes) override;
  uint64_t unsent() const override;
  void close_when_sent(bool linger) override;
  void close() override;

 private:
  friend class Listener;
  struct Impl;
  explicit TcpStream(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

class Listener {
 public:
  using Accepted = std::function<void(std::unique_ptr<TcpStream>)>;
  // Takes the socket over and listens. [loop]
  static Result<std::unique_ptr<Listener>> open(Loop& loop, UniqueFd socket, Accepted accepted);
  ~Listener();  // stops listening
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  struct Impl;
  explicit Listener(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

}  // namespace lsmtpd::io
