// SPDX-License-Identifier: Apache-2.0
// The PROXY header of version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25" and CRLF.
#pragma once

#include <string>
#include <string_view>

#include "io/proxy_header.hpp"

namespace lsmtpd::io {

class ProxyLine {
 public:
  ProxyFound read(std::string_view& input);

  const ProxyHeader& header() const { return header_; }
  std::string_view fault() const { return fault_; }

 private:
  bool parse();
  bool fail(std::string_view fault);

  ProxyHeader header_;
  std::string_view fault_;
  std::string kept_;  // the line so far
};

}  // namespace lsmtpd::io
