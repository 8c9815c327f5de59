// SPDX-License-Identifier: Apache-2.0
// The PROXY header of version 2: signature, command, addresses, then TLVs (type, length, value). It
// may be 64 KiB long; of that only the addresses and a few short values are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/proxy_header.hpp"

namespace lsmtpd::io {

class ProxyBlock {
 public:
  ProxyFound read(std::string_view& input);

  const ProxyHeader& header() const { return header_; }
  std::string_view fault() const { return fault_; }

 private:
  static constexpr size_t kFixed = 16;  // octets before the addresses

  enum class Part : uint8_t {
    fixed,  // signature, command, family and length
    addresses,
    skip,  // octets that mean nothing here
    type,  // type and length of a TLV
    value,
    ssl,  // the fixed octets of PP2_TYPE_SSL
  };

  bool take(std::string_view& input);
  void expect(Part part, size_t octets);
  bool next_part();
  bool end_part();
  bool end_fixed();
  bool end_addresses();
  bool end_type();
  void end_value();
  void end_ssl();
  bool fail(std::string_view fault);

  ProxyHeader header_;
  std::string_view fault_;
  std::string kept_;        // of the part under way, where it is kept
  size_t wanted_ = kFixed;  // octets of the part that are still to come
  size_t rest_ = kFixed;    // octets of the header behind the part
  size_t ssl_rest_ = 0;     // the same of PP2_TYPE_SSL
  uint32_t checksum_ = 0;   // CRC32C so far, inverted
  std::optional<uint32_t> given_checksum_;
  uint8_t family_ = 0;
  uint8_t type_ = 0;  // of the TLV under way
  bool in_ssl_ = false;
  Part part_ = Part::fixed;
};

// CRC32C (RFC 3720 B.4) of `octets` behind what made `crc`, which is 0 at the beginning.
uint32_t crc32c(uint32_t crc, std::string_view octets);

}  // namespace lsmtpd::io
