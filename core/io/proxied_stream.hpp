// SPDX-License-Identifier: Apache-2.0
// The octets behind a PROXY header: those of the stream below, with the addresses of the header,
// and first those that came in one read with it. Nothing else changes on the way.
#pragma once

#include <memory>
#include <string>

#include "io/loop.hpp"
#include "io/stream.hpp"

namespace lsmtpd::io {

// [loop]
class ProxiedStream final : public Stream, Stream::Handler {
 public:
  // `below` must not be reading. `first`: octets that it has delivered already.
  ProxiedStream(Loop& loop, std::unique_ptr<Stream> below, Endpoint peer, Endpoint local,
                std::string_view first);

  void set_handler(Stream::Handler& handler) override { handler_ = &handler; }
  Endpoint peer() const override { return peer_; }
  Endpoint local() const override { return local_; }
  bool has_unread_bytes() const override { return !first_.empty() || below_->has_unread_bytes(); }
  void read_start() override;
  void read_stop() override;
  void write(std::string_view bytes) override { below_->write(bytes); }
  uint64_t unsent() const override { return below_->unsent(); }
  void close_when_sent(bool linger) override;
  void close() override;

 private:
  using End = Stream::End;
  void on_read(std::string_view bytes) override { handler_->on_read(bytes); }
  void on_end(End end) override { handler_->on_end(end); }
  void on_drained() override { handler_->on_drained(); }
  void on_closed() override { handler_->on_closed(); }
  void deliver();

  Loop& loop_;
  std::unique_ptr<Stream> below_;
  const Endpoint peer_;
  const Endpoint local_;
  Stream::Handler* handler_ = nullptr;
  std::string first_;
  bool reading_ = false;
  bool delivery_due_ = false;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace lsmtpd::io
