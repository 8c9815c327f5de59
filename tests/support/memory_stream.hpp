// SPDX-License-Identifier: Apache-2.0
// A stream without a socket: what the client sends is put into it, what it gets can be read from
// it, and the test says how much the "kernel" takes. Keeps the contract of io/stream.hpp.
//
//     auto [stream, client] = test::make_memory_stream(loop);
//     client->send("NOOP\r\n");       // delivered when the loop turns and the owner reads
//     client->room = 0;               // from now on nothing is taken
//     client->take(100);              // the client reads
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "io/loop.hpp"
#include "io/stream.hpp"

namespace lsmtpd::test {

// The client's side. Lives as long as one of the two does.
struct MemoryClient : std::enable_shared_from_this<MemoryClient> {
  explicit MemoryClient(io::Loop& l) : loop(l) {}

  void send(std::string_view bytes) {
    unread += bytes;
    pump_later();
  }
  // After the sent octets: the client has finished sending, or the connection is lost at once.
  void finish() { end(io::Stream::End::goodbye); }
  void fall_silent() { end(io::Stream::End::silent); }
  void abort() {
    unread.clear();
    end(io::Stream::End::broken);
  }
  // Breaks the contract: calls the owner's handler after the end.
  void read_after_end(std::string_view bytes);
  // Takes up to `most` of the written octets, and makes as much room.
  std::string take(size_t most = std::string::npos) {
    const std::string taken = written.substr(0, most);
    written.erase(0, taken.size());
    if (room != std::string::npos) room += taken.size();
    pump_later();
    return taken;
  }

  io::Loop& loop;
  std::string unread;               // sent and not yet read
  std::string written;              // what the client can read
  size_t room = std::string::npos;  // how much more the kernel takes
  io::Endpoint peer{"192.0.2.1", 4711};
  bool closed = false;  // for the client: by us, or our sending side
  bool lingering = false;

 private:
  friend class MemoryStream;
  void end(io::Stream::End how) {
    ended = true;
    end_is = how;
    pump_later();
  }
  void pump_later();

  class MemoryStream* stream = nullptr;
  bool ended = false;  // unread is followed by end_is
  io::Stream::End end_is = io::Stream::End::goodbye;
};

class MemoryStream final : public io::Stream {
 public:
  explicit MemoryStream(std::shared_ptr<MemoryClient> client) : client_(std::move(client)) {
    client_->stream = this;
  }
  ~MemoryStream() override {
    client_->stream = nullptr;
    client_->closed = true;
  }

  void set_handler(Handler& handler) override { handler_ = &handler; }
  io::Endpoint peer() const override { return client_->peer; }
  bool has_unread_bytes() const override { return !client_->unread.empty(); }
  void read_start() override {
    if (closing_ || close_after_) return;
    reading_ = true;
    client_->pump_later();
  }
  void read_stop() override { reading_ = false; }
  void write(std::string_view bytes) override {
    if (closing_ || close_after_) return;
    kept_ += bytes;
    const bool kept_before = drain_due_;
    send_kept();
    drain_due_ = kept_before || !kept_.empty();
  }
  uint64_t unsent() const override { return kept_.size(); }
  void close_when_sent(bool linger) override {
    if (closing_ || close_after_) return;
    reading_ = false;
    close_after_ = true;
    linger_ = linger;
    client_->pump_later();
  }
  void close() override {
    closing_ = true;
    client_->closed = true;
    client_->pump_later();
  }

  // One turn of the loop. The stream may be destroyed by its handler inside.
  void pump() {
    const std::shared_ptr<MemoryClient> client = client_;
    const auto gone = [&] { return client->stream != this; };
    send_kept();
    if (kept_.empty() && drain_due_ && !closing_) {
      drain_due_ = false;
      if (!close_after_) handler_->on_drained();
      if (gone()) return;
    }
    while (reading_ && !closing_ && !client->unread.empty()) {
      const std::string bytes = client->unread.substr(0, io::Loop::kReadBuffer);
      client->unread.erase(0, bytes.size());
      handler_->on_read(bytes);
      if (gone()) return;
    }
    // As with a socket, a read or a write notices a broken connection.
    const bool told = client->end_is == End::broken ? reading_ || !kept_.empty()
                                                    : reading_ && client->unread.empty();
    if (client->ended && told && !ended_ && !closing_) {
      ended_ = true;
      reading_ = false;
      handler_->on_end(client->end_is);
      if (gone()) return;
    }
    if (close_after_ && kept_.empty() && !closing_) {
      client->closed = true;
      client->lingering = linger_;
      closing_ = !linger_ || client->ended;
    }
    if (closing_) handler_->on_closed();  // which destroys the stream
  }

 private:
  friend struct MemoryClient;
  void send_kept() {
    const std::string_view part = std::string_view(kept_).substr(0, client_->room);
    client_->written += part;
    if (client_->room != std::string::npos) client_->room -= part.size();
    kept_.erase(0, part.size());
  }

  std::shared_ptr<MemoryClient> client_;
  Handler* handler_ = nullptr;
  std::string kept_;
  bool reading_ = false;
  bool drain_due_ = false;
  bool close_after_ = false;
  bool linger_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

inline void MemoryClient::pump_later() {
  loop.post([self = shared_from_this()] {
    if (self->stream) self->stream->pump();
  });
}

inline void MemoryClient::read_after_end(std::string_view bytes) {
  loop.post([self = shared_from_this(), text = std::string(bytes)] {
    if (self->stream) self->stream->handler_->on_read(text);
  });
}

struct MemoryPair {
  std::unique_ptr<MemoryStream> stream;
  std::shared_ptr<MemoryClient> client;
};
inline MemoryPair make_memory_stream(io::Loop& loop) {
  auto client = std::make_shared<MemoryClient>(loop);
  return {std::make_unique<MemoryStream>(client), client};
}

}  // namespace lsmtpd::test
