// SPDX-License-Identifier: Apache-2.0
// The sockets of the admin server, made before privileges are dropped. [main]
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace lsmtpd::admin {

// A listening socket at `path`, with this mode, of `group` where that is not empty; where `user` is
// not empty and this process is root, it belongs to that user. A socket that nobody listens on any
// more is replaced, and a folder of it that is not there is made.
Result<UniqueFd> listen_unix(const std::string& path, uint32_t mode, const std::string& group,
                             const std::string& user);

// Whether listen_unix() would find `path` and `group` in order; nothing is made or removed.
enum class UnixPath { free, in_use };
Result<UnixPath> try_unix(const std::string& path, const std::string& group);

// Listening sockets on all addresses of `host` (a name, an address, or "*"). `port` 0: a free one,
// which becomes `port`.
Result<std::vector<UniqueFd>> listen_http(const std::string& host, uint16_t& port);

}  // namespace lsmtpd::admin
