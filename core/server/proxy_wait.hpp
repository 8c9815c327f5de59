// SPDX-License-Identifier: Apache-2.0
// A connection from a network of proxy_protocol_from until its PROXY header is there. Nothing is
// sent before that, and the connection is closed where the header is malformed or does not come
// within timeouts.proxy. [loop]
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/deadlines.hpp"
#include "io/proxy_reader.hpp"
#include "io/stream.hpp"
#include "log/level.hpp"
#include "server/origin.hpp"
#include "server/service.hpp"

namespace lsmtpd::server {

class ProxyWait final : io::Stream::Handler {
 public:
  // A stream reads so little at once until the header is there: what comes with it is kept.
  static constexpr size_t kReadAtOnce = 512;

  struct Result {
    std::unique_ptr<io::Stream> stream;  // with the addresses of the header; null: it is over
    Origin origin;
    bool check = false;  // no client is behind it, but the proxy itself
  };
  // Called once, not from inside start(); it may destroy the ProxyWait.
  using Done = std::function<void(Result)>;

  ProxyWait(std::shared_ptr<const Service> service, std::unique_ptr<io::Stream> stream, Done done);
  void start();

 private:
  void on_read(std::string_view bytes) override;
  void on_end(io::Stream::End end) override;
  void on_drained() override {}
  void on_closed() override {}
  void arrived(std::string_view rest);
  void over(log::Level level, std::string_view why);

  const std::shared_ptr<const Service> service_;
  std::unique_ptr<io::Stream> stream_;
  const io::Endpoint proxy_;
  Done done_;
  io::ProxyHeaderReader reader_;
  Deadlines::Entry deadline_;
};

}  // namespace lsmtpd::server
