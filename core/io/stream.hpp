// SPDX-License-Identifier: Apache-2.0
// The octets of a connection: of TCP itself (io/tcp.hpp), or of a stream above another one (TLS,
// PROXY), which owns the stream below and is its handler.
//
// [loop] A stream is used on its loop only. After close(), or once close_when_sent() has sent
// everything, on_closed() is called exactly once, and in it the owner destroys the stream. A stream
// that is destroyed earlier closes at once and calls its handler no more. No callback is called
// from inside one of the stream's functions.
//
// The constructor of an upper stream takes the lower one over with set_handler(). This may happen
// in the middle of on_read(): the lower stream passes everything that comes afterwards to the new
// handler. The rest of the octets of that call stays with the former handler, which must discard it
// after STARTTLS (RFC 3207 4.2).
//
// The contract of every stream, also of one above another:
// - Stopped reading holds back everything, octets that are decoded already included. read_start()
//   delivers the octets held back without waiting for the socket: at the end of the same turn at
//   the latest, in calls of at most Loop::kReadBuffer octets, and no more after a read_stop()
//   inside. The end comes after the last octet was delivered.
// - has_unread_bytes() counts content only: octets below that may be the layer's own (a
//   handshake, a session ticket) do not count before they are decoded.
// - unsent() counts the octets that this stream and all below it keep in memory. on_drained() means
//   that no level keeps any.
// - close_when_sent(linger) sends the kept octets and the layer's own end (the close_notify of
//   TLS), then does the same below: the socket lingers.
// - If the stream below ends without the layer's own end, the end may be forged on the way: it is
//   reported as End::silent.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/endpoint.hpp"

namespace lsmtpd::io {

class Stream {
 public:
  enum class End : uint8_t {
    goodbye,  // the client has finished sending, and may still read
    silent,   // the same, unauthenticated: accepted only between commands
    broken,   // the connection is lost
  };

  class Handler {
   public:
    // The next octets of content, valid during the call. The handler may overwrite them, as it does
    // with passwords.
    virtual void on_read(std::string_view bytes) = 0;
    // The stream reads nothing after this call.
    virtual void on_end(End end) = 0;
    // The kernel has taken everything that was written. Called only after a write() that it did not
    // take at once.
    virtual void on_drained() = 0;
    virtual void on_closed() = 0;

   protected:
    ~Handler() = default;
  };

  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Call it before anything is read or written, and again to hand the stream to another handler.
  virtual void set_handler(Handler& handler) = 0;
  virtual Endpoint peer() const = 0;
  // Our side of the connection; empty where there is none.
  virtual Endpoint local() const { return {}; }
  // Returns true if content of the client waits, also while reading is stopped.
  virtual bool has_unread_bytes() const = 0;

  virtual void read_start() = 0;
  virtual void read_stop() = 0;
  // Sends at once as much as the level below takes, and keeps the rest.
  virtual void write(std::string_view bytes) = 0;
  virtual uint64_t unsent() const = 0;  // octets that are kept
  // Sends the kept octets, then closes. `linger`: the client may still be sending, and a close
  // would reset the connection before it has read the last reply; so only the sending side is
  // closed, and input is discarded until the client closes too, for kLingerMs at most.
  virtual void close_when_sent(bool linger) = 0;
  virtual void close() = 0;  // kept octets are lost

  static constexpr uint64_t kLingerMs = 3000;
};

}  // namespace lsmtpd::io
