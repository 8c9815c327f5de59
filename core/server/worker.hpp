// SPDX-License-Identifier: Apache-2.0
// One worker: a thread with its loop, its lane of every plugin, its chains, listeners and
// connections.
//
// Order, from the main thread: construct, start() (opens the lanes, on the loop), listen(), ...
// drain(), close_lanes(), stop(), destroy. What other workers need of worker 0 is there after its
// start().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "io/loop.hpp"
#include "io/tcp.hpp"
#include "message/resource_limits.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/replay.hpp"
#include "plugin/instance.hpp"
#include "server/connection.hpp"
#include "server/peers.hpp"
#include "server/service.hpp"
#include "server/settings.hpp"

namespace lsmtpd::server {

// What all workers share; outlives them.
struct Shared {
  const Settings& settings;
  message::ResourceLimits& resources;
  Peers& peers;
  std::map<std::string, plugin::Instance*> instances;  // by plugin name
  std::map<std::string, std::unique_ptr<pipeline::Replay>>
      replays;  // by the fallback's name; made by worker 0
};

class Worker {
 public:
  Worker(uint32_t index, Shared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // [main] each of these returns when it is done on the loop
  Status start();
  Status listen(size_t listener, UniqueFd socket);
  // [main] `done` comes on the loop, once
  void drain(io::Task done);  // no new connections; transactions under way finish
  // After drain. `ends_at_ms`: until when the process waits, by io::Loop::now_ms(); 0: without an
  // end.
  void close_lanes(io::Task done, uint64_t ends_at_ms = 0);
  void stop();  // ends the thread

 private:
  void on_loop_and_wait(const std::function<void()>& function);
  Status open_lanes();
  void make_replays();
  void make_chains();
  void accept(const Service& service, std::unique_ptr<io::TcpStream> stream);
  void gone(Connection& connection);
  void close_each_lane(const io::Task& done, uint64_t ends_at_ms);

  const uint32_t index_;
  Shared& shared_;
  io::Loop loop_;
  std::map<std::string, std::unique_ptr<plugin::Lane>> lanes_;
  std::map<std::string, pipeline::Chain> chains_;
  std::vector<std::unique_ptr<Service>> services_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  uint64_t next_session_ = 1;
  io::Task drained_;
  size_t lanes_open_ = 0;
  size_t replays_left_ = 0;
  std::thread thread_;
};

}  // namespace lsmtpd::server
