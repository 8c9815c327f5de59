// SPDX-License-Identifier: Apache-2.0
// The client's side of TLS on a connected, non-blocking socket, for `lsmtpd check`: blocking, on
// one thread, with a deadline. It takes any certificate, and says which one it got. [main]
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lsmtpd::io {

class TlsProbe {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // Does the handshake. `fd` must outlive the probe. `server_name` goes into SNI, unless it is an
  // address.
  static Result<std::unique_ptr<TlsProbe>> connect(int fd, const std::string& server_name,
                                                   Deadline deadline);
  ~TlsProbe();
  TlsProbe(const TlsProbe&) = delete;
  TlsProbe& operator=(const TlsProbe&) = delete;

  // At least one octet, or 0 at the end.
  Result<size_t> read(char* target, size_t size);
  Status write(std::string_view bytes);

  std::string version() const;  // "TLSv1.3"
  // Of the server's certificate: SHA-256 of the public key in hexadecimal digits (TLSA 3 1 1).
  std::string tlsa() const;

 private:
  struct State;
  explicit TlsProbe(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lsmtpd::io
