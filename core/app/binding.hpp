// SPDX-License-Identifier: Apache-2.0
// The sockets of listeners, from the configuration to the workers. [main]
#pragma once

#include <set>
#include <string>
#include <vector>

#include "app/generations.hpp"
#include "app/preflight.hpp"
#include "base/unique_fd.hpp"
#include "config/config.hpp"

namespace lsmtpd::app {

// A listener whose sockets no worker has yet.
struct Bound {
  std::string listener;                        // its name
  std::string address;                         // as configured: listener_address()
  std::vector<std::string> at;                 // numeric, as the log names them
  std::vector<std::vector<UniqueFd>> sockets;  // of each worker, one an address
  bool shared = false;  // the workers' sockets are one: see config::activation_name()
};

// Binds the listeners whose address is not in `bound`, before privileges are dropped at a start.
// Adds an error at the place of each that cannot be.
std::vector<Bound> bind_listeners(const config::Config& config, uint32_t workers,
                                  const std::set<std::string>& bound, Diagnostics& diagnostics);

// The workers accept connections from now on. The generation in force must have the address.
Status listen(Workers& workers, Bound bound);

}  // namespace lsmtpd::app
