// SPDX-License-Identifier: Apache-2.0
// The trusted proxy in front of a connection, and what it said of its client.
#pragma once

#include <memory>

#include "io/stream.hpp"
#include "message/envelope.hpp"

namespace lsmtpd::server {

struct Origin {
  bool proxied = false;
  io::Endpoint proxy;                       // its side of the connection; empty: not proxied
  std::shared_ptr<const message::Tls> tls;  // the session that the proxy ended; null: none
};

}  // namespace lsmtpd::server
