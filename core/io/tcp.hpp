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

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"

namespace lsmtpd::io {

struct Endpoint {
  std::string address;  // numeric, without brackets
  uint16_t port = 0;
  std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25"
};

// A bound, not yet listening socket with SO_REUSEADDR and SO_REUSEPORT. `host` is a name, an
// address or "*". `port` 0 takes a free one: ask local_endpoint(), and bind the other workers'
// sockets to that.
Result<UniqueFd> bind_tcp(const std::string& host, uint16_t port);
Endpoint local_endpoint(int fd);
// An error where somebody listens there already: SO_REUSEPORT alone would quietly share the address
// with them.
Status try_bind(const std::string& host, uint16_t port);

// One accepted connection. [loop] After close() on_closed() comes, exactly once, and in it the
// owner destroys the stream. Destroyed earlier, it closes at once and its handler hears no more.
class TcpStream {
 public:
  class Handler {
   public:
    // Bytes in the loop's read buffer, valid during the call.
    virtual void on_read(std::string_view bytes) = 0;
    // The client closed its side (end = true) or the connection broke. Nothing is read after it.
    virtual void on_end(bool end) = 0;
    // Everything that was written has left for the kernel. Only after a write() that did not go out
    // at once.
    virtual void on_drained() = 0;
    virtual void on_closed() = 0;

   protected:
    ~Handler() = default;
  };

  ~TcpStream();
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  void set_handler(Handler& handler);
  Endpoint peer() const;
  // True: bytes of the client wait in the kernel, though nobody asked for any yet.
  bool has_unread_bytes() const;

  void read_start();
  void read_stop();
  // Sends at once what the kernel takes, and keeps the rest.
  void write(std::string_view bytes);
  uint64_t unsent() const;  // bytes that were kept
  // Sends what was kept, then closes. `linger`: the client may still be sending, and closing under
  // it would reset the connection before it has read the last reply; so only the sending side is
  // closed, and what comes is thrown away until the client closes too, for kLingerMs at most.
  void close_when_sent(bool linger);
  void close();

  static constexpr uint64_t kLingerMs = 3000;

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
