// SPDX-License-Identifier: Apache-2.0
#include "app/binding.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/layer_settings.hpp"
#include "app/process.hpp"
#include "app/service_manager.hpp"
#include "config/host.hpp"
#include "io/endpoint.hpp"
#include "io/socket_binding.hpp"
#include "io/tcp_listener.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

namespace {

// The workers share what a service manager has passed: each gets a duplicate.
Status take_passed(const std::string& name, uint32_t workers, Bound& bound) {
  const auto passed = passed_sockets(name);
  if (!passed) return tl::unexpected(passed.error());
  bound.shared = true;
  bound.sockets.resize(workers);
  for (const int fd : *passed) {
    bound.at.push_back(io::local_endpoint(fd).text());
    for (auto& of_worker : bound.sockets) {
      UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (!copy) return fail("{}: {}", bound.address, strerror(errno));
      of_worker.push_back(std::move(copy));
    }
  }
  return {};
}

Result<std::vector<UniqueFd>> share_all(const std::vector<UniqueFd>& sockets) {
  std::vector<UniqueFd> all;
  for (const auto& socket : sockets) {
    auto shared = io::share(socket);
    if (!shared) return tl::unexpected(shared.error());
    all.push_back(std::move(*shared));
  }
  return all;
}

// Every worker has sockets of its own, one for each address of the listener; the first one of a
// listener decides the port where it is 0.
Result<Bound> bind_one(const config::Listener& listener, uint32_t workers,
                       const std::string& user) {
  Bound bound{listener.name, listener_address(listener), {}, {}};
  if (const auto name = config::activation_name(listener.host); !name.empty()) {
    if (auto status = take_passed(std::string(name), workers, bound); !status)
      return tl::unexpected(status.error());
    return bound;
  }
  uint16_t port = listener.port;
  if (auto free = io::try_bind(listener.host, port); !free) return tl::unexpected(free.error());
  for (uint32_t worker = 0; worker < workers; ++worker) {
    const bool local = !io::unix_path(listener.host).empty();
    auto sockets =
        local && worker > 0 ? share_all(bound.sockets.front()) : io::bind_all(listener.host, port);
    if (!sockets) return tl::unexpected(sockets.error());
    if (local && worker == 0) {
      bound.shared = true;
      const auto given = give_to_user(std::string(io::unix_path(listener.host)), user);
      if (!given) return tl::unexpected(given.error());
    }
    bound.at.clear();
    for (const auto& socket : *sockets) {
      const auto at = io::local_endpoint(socket.get());
      port = at.port;
      bound.at.push_back(at.text());
    }
    bound.sockets.push_back(std::move(*sockets));
  }
  return bound;
}

}  // namespace

std::vector<Bound> bind_listeners(const config::Config& config, uint32_t workers,
                                  const std::set<std::string>& bound, Diagnostics& diagnostics) {
  std::vector<Bound> all;
  for (const auto& listener : config.listeners) {
    if (bound.contains(listener_address(listener))) continue;
    auto one = bind_one(listener, workers, config.server.user);
    if (one) {
      all.push_back(std::move(*one));
      continue;
    }
    const bool privileged =
        !bound.empty() && listener.port > 0 && listener.port < 1024 && ::geteuid() != 0;
    diagnostics.push_back(
        {false, listener.given["address"],
         fmt::format("listener {}: {}", listener.name, one.error().message),
         privileged ? "a new port below 1024 may need a restart: privileges were dropped" : ""});
  }
  return all;
}

Status listen(Workers& workers, Bound bound) {
  std::vector<std::shared_ptr<io::AcceptTurns>> turns(bound.at.size());
  for (auto& each : turns) each = bound.shared ? std::make_shared<io::AcceptTurns>() : nullptr;
  for (uint32_t i = 0; i < workers.size(); ++i) {
    for (size_t at = 0; at < bound.sockets[i].size(); ++at) {
      auto& socket = bound.sockets[i][at];
      if (auto status = workers[i]->listen(bound.address, std::move(socket), turns.at(at)); !status)
        return fail("listener {}: {}", bound.listener, status.error().message);
    }
  }
  for (const auto& address : bound.at) {
    log::info("listening",
              {{"listener", bound.listener}, {"address", address}, {"workers", workers.size()}});
  }
  return {};
}

}  // namespace lsmtpd::app
