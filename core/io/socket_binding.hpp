// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on, bound before privileges are dropped. [main]
//
// Each worker has a socket of its own for an address (SO_REUSEPORT), so that nothing is shared on
// the way of a connection. A Unix socket has one file, so all workers share one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace lsmtpd::io {

// Connections that the kernel keeps for a listening socket until they are accepted.
inline constexpr int kListenQueue = 1024;

// "/path" of "unix:/path", a Unix socket, where a host is expected; empty: it is no such.
std::string_view unix_path(std::string_view host);

// A bound, not yet listening socket with SO_REUSEADDR and SO_REUSEPORT. `host` is a name, an
// address or "*". `port` 0 takes a free one: ask local_endpoint(), and bind the other workers'
// sockets to that.
//
// "unix:/path" makes a socket file of mode 0660, in place of one that nobody listens on any more;
// it listens already, and the other workers get duplicates (share()).
Result<UniqueFd> bind_tcp(const std::string& host, uint16_t port);
// The same on every address that `host` has and this machine knows; on one port.
Result<std::vector<UniqueFd>> bind_all(const std::string& host, uint16_t port);
// Another descriptor of the same socket.
Result<UniqueFd> share(const UniqueFd& socket);
// An error where another process listens there already: SO_REUSEPORT alone would share the address
// with it without an error.
Status try_bind(const std::string& host, uint16_t port);

}  // namespace lsmtpd::io
