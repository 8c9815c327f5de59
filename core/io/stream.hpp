// A connection's octets, whatever carries them: TCP itself (io/tcp.hpp), and streams that stand
// above another one (TLS, PROXY), each of which owns the stream below and is its handler.
//
// [loop] A stream is used on its loop only. After close(), and after all was sent that
// close_when_sent() waits for, on_closed() comes, exactly once, and in it the owner destroys the
// stream. Destroyed earlier, it closes at once and its handler hears no more. No callback comes
// from inside one of the stream's functions.
//
// A stream above another is put there by its constructor, which takes the lower one over with
// set_handler(). That may be done in the middle of on_read(): the lower stream gives everything
// that comes afterwards to the new handler. The rest of the octets of that very call belongs to
// whoever had them; after STARTTLS it must be thrown away (RFC 3207 4.2).
//
// The contract that every stream keeps, and that a stream above another has to build:
// - Reading that was stopped holds back everything, what is decoded already included. read_start()
//   delivers what is held back without waiting for the socket: at the end of the same turn at the
//   latest, in calls of at most Loop::kReadBuffer octets, and no more after a read_stop() inside.
//   The end comes after the last octet was delivered.
// - has_unread_bytes() counts content only: octets below that may be the layer's own (a
//   handshake, a session ticket) do not count before they are decoded.
// - unsent() counts what this stream and all below it keep: it is memory. on_drained() means that
//   nothing is kept on any level.
// - close_when_sent(linger) sends what is kept and the layer's goodbye, then does the same below:
//   the socket is what lingers.
// - The end of the stream below without the layer's goodbye may be forged by somebody on the way:
//   it is told as End::silent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::io {

struct Endpoint {
  std::string address;  // numeric, without brackets
  uint16_t port = 0;
  std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25"
};

class Stream {
 public:
  enum class End : uint8_t {
    goodbye,  // the client has finished sending, and may still read
    silent,   // the same, but nothing vouches for it: an end only where none of its words is open
    broken,   // the connection is lost
  };

  class Handler {
   public:
    // The next octets of content, valid during the call.
    virtual void on_read(std::string_view bytes) = 0;
    // Nothing is read after it.
    virtual void on_end(End end) = 0;
    // Everything that was written has left for the kernel. Only after a write() that did not go out
    // at once.
    virtual void on_drained() = 0;
    virtual void on_closed() = 0;

   protected:
    ~Handler() = default;
  };

  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Before anything is read or written, and again where another takes the stream over.
  virtual void set_handler(Handler& handler) = 0;
  virtual Endpoint peer() const = 0;
  // Our side of the connection; empty where there is none.
  virtual Endpoint local() const { return {}; }
  // True: content of the client waits, though nobody asked for any yet.
  virtual bool has_unread_bytes() const = 0;

  virtual void read_start() = 0;
  virtual void read_stop() = 0;
  // Sends at once what is taken below, and keeps the rest.
  virtual void write(std::string_view bytes) = 0;
  virtual uint64_t unsent() const = 0;  // octets that are kept
  // Sends what was kept, then closes. `linger`: the client may still be sending, and closing under
  // it would reset the connection before it has read the last reply; so only the sending side is
  // closed, and what comes is thrown away until the client closes too, for kLingerMs at most.
  virtual void close_when_sent(bool linger) = 0;
  virtual void close() = 0;  // what is kept is lost

  static constexpr uint64_t kLingerMs = 3000;
};

}  // namespace lsmtpd::io
