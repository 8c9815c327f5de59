// SPDX-License-Identifier: Apache-2.0
#include "io/proxy_reader.hpp"

namespace lsmtpd::io {

ProxyHeaderReader::Found ProxyHeaderReader::read(std::string_view& input) {
  if (version_ == Version::unknown) {
    if (input.empty()) return Found::nothing;
    version_ = input.front() == 'P' ? Version::line : Version::block;
  }
  return version_ == Version::line ? line_.read(input) : block_.read(input);
}

}  // namespace lsmtpd::io
