// SPDX-License-Identifier: Apache-2.0
// The stream of a TCP or Unix socket. [loop]
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/unique_fd.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"

struct uv_stream_s;

namespace lsmtpd::io {

// One accepted connection.
class TcpStream final : public Stream {
 public:
  // Takes an accepted socket over; null where libuv cannot.
  static std::unique_ptr<TcpStream> open(Loop& loop, UniqueFd socket);
  // The next connection that libuv has for the listening `server`; null if it was lost.
  static std::unique_ptr<TcpStream> accept(Loop& loop, uv_stream_s& server);
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
  // Reads at most so many octets at once from now on, and at most Loop::kReadBuffer.
  void limit_reads(size_t octets);

 private:
  struct Impl;
  explicit TcpStream(Impl* impl) : impl_(impl) {}
  Impl* impl_;
};

}  // namespace lsmtpd::io
