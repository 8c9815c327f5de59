// SPDX-License-Identifier: Apache-2.0
// Where a policy service listens, as Postfix writes it: "inet:HOST:PORT", "unix:/PATH".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::policy {

struct Service {
  std::string path;  // of a UNIX socket; empty: host and port
  std::string host;  // a name or an address, without brackets
  uint16_t port = 0;
};

// `problem` says why there is none.
std::optional<Service> parse_service(std::string_view text, std::string& problem);

}  // namespace lsmtpd::policy
