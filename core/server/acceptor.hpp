// SPDX-License-Identifier: Apache-2.0
// Decides on the connections that one worker accepts: reads the PROXY header of a trusted proxy,
// counts the client among its peers (peers.hpp), and refuses what is over a limit. [loop]
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "io/loop.hpp"
#include "io/stream.hpp"
#include "io/tcp.hpp"
#include "server/origin.hpp"
#include "server/peers.hpp"
#include "server/proxy_wait.hpp"
#include "server/service.hpp"

namespace lsmtpd::server {

class Acceptor {
 public:
  // The stream of a client that may be served, which counts as one of `peer`.
  using Admitted = std::function<void(const std::shared_ptr<const Service>& service,
                                      std::unique_ptr<io::Stream> stream,
                                      std::shared_ptr<Peer> peer, Origin origin)>;

  Acceptor(io::Loop& loop, Peers& peers, Admitted admitted)
      : loop_(loop), peers_(peers), admitted_(std::move(admitted)) {}

  void accept(const std::shared_ptr<const Service>& service, std::unique_ptr<io::TcpStream> stream);
  // Closes the connections whose PROXY header is not there yet.
  void drop_waiting();

 private:
  void refuse_untrusted_peer(const Service& service, const io::Stream& stream);
  void await_header(const std::shared_ptr<const Service>& service,
                    std::unique_ptr<io::TcpStream> stream);
  void admit(const std::shared_ptr<const Service>& service, std::unique_ptr<io::Stream> stream,
             Origin origin, Peers::Kind kind);
  void refuse(const Service& service, io::Stream& stream, const io::Endpoint& address,
              const std::shared_ptr<Peer>& peer);

  io::Loop& loop_;
  Peers& peers_;
  const Admitted admitted_;
  std::unordered_map<ProxyWait*, std::unique_ptr<ProxyWait>> proxy_waits_;
};

}  // namespace lsmtpd::server
