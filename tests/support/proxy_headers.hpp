// SPDX-License-Identifier: Apache-2.0
// Writes headers of the PROXY protocol version 2.
#pragma once

#include <string>
#include <string_view>

#include "io/proxy_block.hpp"

namespace lsmtpd::test {

using std::string_literals::operator""s;

inline std::string number16(size_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number)};
}

// `command`: version and command; `family`: address family and transport.
inline std::string v2(int command, int family, std::string_view block) {
  return "\r\n\r\n\0\r\nQUIT\n"s + static_cast<char>(command) + static_cast<char>(family) +
         number16(block.size()) + std::string(block);
}

inline std::string tlv(int type, std::string_view value) {
  return static_cast<char>(type) + number16(value.size()) + std::string(value);
}

// From 192.0.2.1:56324 to 198.51.100.2:25.
inline std::string inet() {
  return "\xc0\x00\x02\x01\xc6\x33\x64\x02"s + number16(56324) + number16(25);
}

// The same header, with its checksum in the four zero octets of its TLV.
inline std::string with_checksum(std::string header) {
  const uint32_t crc = io::crc32c(0, header);
  const size_t at = header.find("\x03\0\4\0\0\0\0"s) + 3;
  header.replace(at, 4, number16(crc >> 16) + number16(crc & 0xffff));
  return header;
}

}  // namespace lsmtpd::test
