// SPDX-License-Identifier: Apache-2.0
// One listener of one generation on one worker: what the connections of that generation have in
// common. [loop]
#pragma once

#include <cstdint>
#include <functional>

#include "io/loop.hpp"
#include "message/resource_limits.hpp"
#include "pipeline/chain.hpp"
#include "server/listener_metrics.hpp"
#include "server/peers.hpp"
#include "server/settings.hpp"
#include "server/trace.hpp"

namespace lsmtpd::server {

class Connection;

struct TlsService;

struct Service {
  uint64_t generation;
  const Limits& limits;
  const Timeouts& timeouts;
  const ListenerSettings& listener;
  const pipeline::Chain& chain;
  plugin::Lane* auth;  // that checks credentials; null: none
  io::Loop& loop;
  message::ResourceLimits& resources;
  Peers& peers;
  uint64_t& next_session;                 // of this worker
  std::function<void(Connection&)> gone;  // the connection is closed and may be destroyed
  TlsService* tls = nullptr;              // null: the listener has no TLS
  ListenerMetrics metrics = {};
  const Traces* traces = nullptr;  // that operators wait for; null: none
};

}  // namespace lsmtpd::server
