// SPDX-License-Identifier: Apache-2.0
// One listener on one worker: what all its connections have in common. Const while connections
// live. [loop]
#pragma once

#include <cstdint>
#include <functional>

#include "io/loop.hpp"
#include "message/resource_limits.hpp"
#include "pipeline/chain.hpp"
#include "server/peers.hpp"
#include "server/settings.hpp"

namespace lsmtpd::server {

class Connection;

struct Service {
  const Limits& limits;
  const Timeouts& timeouts;
  const ListenerSettings& listener;
  const pipeline::Chain& chain;
  io::Loop& loop;
  message::ResourceLimits& resources;
  Peers& peers;
  uint64_t& next_session;                 // of this worker
  std::function<void(Connection&)> gone;  // the connection is closed and may be destroyed
};

}  // namespace lsmtpd::server
