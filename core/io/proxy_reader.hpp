// SPDX-License-Identifier: Apache-2.0
// Reads the header of the PROXY protocol, version 1 or 2. PURE: octets in, one header out.
//
//     ProxyHeaderReader reader;
//     switch (reader.read(input)) {            // consumes the header, and nothing behind it
//       case Found::nothing: ...               // all input is used up: the header goes on
//       case Found::header:  reader.header();  // `input` is the client's
//       case Found::fault:   reader.fault();   // close the connection
//     }
#pragma once

#include <string_view>

#include "io/proxy_block.hpp"
#include "io/proxy_header.hpp"
#include "io/proxy_line.hpp"

namespace lsmtpd::io {

class ProxyHeaderReader {
 public:
  using Found = ProxyFound;

  // Consumes from the front of `input`. Not to be called again after a header or a fault.
  Found read(std::string_view& input);

  const ProxyHeader& header() const {
    return version_ == Version::line ? line_.header() : block_.header();
  }
  // The fault: "no PROXY header".
  std::string_view fault() const {
    return version_ == Version::line ? line_.fault() : block_.fault();
  }
  // True: not one octet has come.
  bool empty() const { return version_ == Version::unknown; }

 private:
  enum class Version : uint8_t { unknown, line, block };

  Version version_ = Version::unknown;
  ProxyLine line_;
  ProxyBlock block_;
};

}  // namespace lsmtpd::io
