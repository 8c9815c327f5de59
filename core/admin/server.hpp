// SPDX-License-Identifier: Apache-2.0
// The admin server: health, metrics, status and the page by HTTP, and the commands of `lsmtpd ctl`
// by its Unix socket. It has a thread and a loop of its own, so that it answers while the workers
// start, reload or stop; it reads what they publish and never asks them.
//
// Order, from the main thread: construct, start(), ... stop() or destroy. The board, the commands
// and the registry outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "admin/board.hpp"
#include "admin/ctl_commands.hpp"
#include "admin/history.hpp"
#include "admin/http_server.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"
#include "metrics/registry.hpp"

namespace lsmtpd::admin {

struct Settings {
  uint64_t unready_after_ms = 10'000;
  std::string token;               // for all but the probes over TCP; empty: none
  std::vector<std::string> hosts;  // names that a Host field may have, beside addresses
};

class Server {
 public:
  // A snapshot is used again for so long: a flood of questions costs little.
  static constexpr uint64_t kFreshMs = 250;

  Server(Settings settings, Board& board, Commands& commands,
         std::shared_ptr<metrics::Registry> registry);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The sockets listen already.
  void start(UniqueFd local, std::vector<UniqueFd> http);
  void stop();

 private:
  void run();
  void tick();
  void handle(const std::shared_ptr<Exchange>& exchange);
  bool may(Exchange& exchange) const;
  void livez(Exchange& exchange) const;
  void readyz(Exchange& exchange) const;
  void command(const std::shared_ptr<Exchange>& exchange);
  const metrics::Snapshot& snapshot();
  const std::string& metrics_text();
  const std::string& status_text();
  bool fresh(uint64_t at_ms) const { return at_ms != 0 && loop_.now_ms() - at_ms < kFreshMs; }

  const Settings settings_;
  Board& board_;
  Commands& commands_;
  const std::shared_ptr<metrics::Registry> registry_;
  const std::shared_ptr<LoopGate> gate_ = std::make_shared<LoopGate>();
  io::Loop loop_;
  // Used on the loop only:
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<io::Timer> timer_;
  History history_;
  uint64_t sampled_ms_ = 0;
  metrics::Snapshot snapshot_;
  std::string metrics_text_, status_text_;
  uint64_t snapshot_ms_ = 0, metrics_ms_ = 0, status_ms_ = 0;

  std::thread thread_;
};

// Whether a Host field names this server: an address, localhost, or one of `hosts`; a page of
// another site that lets its own name point here (DNS rebinding) is refused.
bool host_is_ours(std::string_view host, const std::vector<std::string>& hosts);

}  // namespace lsmtpd::admin
