// SPDX-License-Identifier: Apache-2.0
#include "io/lookups.hpp"

#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace lsmtpd::io {

Result<Addresses> look_up(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (status == EAI_SYSTEM) return fail("{}", strerror(errno));
  if (status != 0) return fail("{}", ::gai_strerror(status));
  Addresses addresses;
  for (const addrinfo* at = list; at; at = at->ai_next) {
    std::memcpy(&addresses.emplace_back(), at->ai_addr, at->ai_addrlen);
  }
  ::freeaddrinfo(list);
  return addresses;
}

bool Lookups::Queue::ask(Loop& loop, std::string host, uint16_t port, std::function<bool()> wanted,
                         std::function<void(Result<Addresses>)> found) {
  auto result = std::make_shared<Result<Addresses>>(fail("the lookup is not wanted any more"));
  return loop.offload(
      queue_,
      [this, result, port, host = std::move(host), wanted = std::move(wanted)] {
        if (wanted()) *result = lookups_.function_(host, port);
      },
      [result, found = std::move(found)] { found(std::move(*result)); });
}

}  // namespace lsmtpd::io
