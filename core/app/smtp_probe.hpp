// SPDX-License-Identifier: Apache-2.0
// The smallest SMTP client there can be, for `check`: blocking, with one deadline for all it does.
// [main]
#pragma once

#include <netdb.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/network.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "io/tls_probe.hpp"

namespace lsmtpd::app {

class SmtpProbe {
 public:
  explicit SmtpProbe(uint64_t deadline_ms)
      : deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms)) {}

  // `host` as in a listener's address: a name, an address, "*" for this machine, or "unix:/path".
  // Where our own address is in `proxy_protocol_from` the PROXY header of a health check follows.
  Status connect(const std::string& host, uint16_t port,
                 std::span<const Network> proxy_protocol_from);
  Status start_tls(const std::string& server_name);
  // The last line of a reply of one or several lines, without its line end.
  Result<std::string> reply();
  void send(std::string_view text);
  // Null before start_tls().
  const io::TlsProbe* tls() const { return tls_.get(); }

 private:
  Status connect_to(const addrinfo& info);
  Status receive();
  bool wait_for(short events) const;

  const std::chrono::steady_clock::time_point deadline_;
  UniqueFd socket_;
  std::unique_ptr<io::TlsProbe> tls_;
  std::string input_;  // received, and not yet part of a reply that was returned
};

}  // namespace lsmtpd::app
