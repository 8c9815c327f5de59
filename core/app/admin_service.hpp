// SPDX-License-Identifier: Apache-2.0
// The [admin] section at work: sockets bound before privileges are dropped, the admin server, and
// what it knows of the daemon. Where the section names no socket nothing runs, but the board and
// the commands are there all the same. [main]
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "admin/board.hpp"
#include "admin/ctl_commands.hpp"
#include "admin/server.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "metrics/registry.hpp"

namespace lsmtpd::app {

class AdminService {
 public:
  AdminService(const config::Config& config, std::shared_ptr<metrics::Registry> registry);
  ~AdminService();
  AdminService(const AdminService&) = delete;
  AdminService& operator=(const AdminService&) = delete;

  // Before privileges are dropped.
  Status bind_socket();
  Status bind_http();
  // After it, when there is a log. An error: the token cannot be read.
  Status start();
  void stop();

  admin::Board& board() { return board_; }
  admin::Commands& commands() { return commands_; }

 private:
  const config::Config config_;  // [admin] does not change at a reload
  const std::shared_ptr<metrics::Registry> registry_;
  admin::Board board_;
  admin::Commands commands_;
  UniqueFd socket_;
  std::vector<UniqueFd> http_;
  std::string http_address_;
  std::unique_ptr<admin::Server> server_;
};

// Returns the facts of a configuration that the board shows; `addresses` are those that are bound,
// by listener_address().
admin::Facts facts_of(const config::Config& config,
                      const std::map<std::string, std::vector<std::string>>& addresses);

// The first line of the file that admin.token_file names, without blanks around it.
Result<std::string> read_token(const std::string& file);

}  // namespace lsmtpd::app
