// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, with padding, no line breaks), piece by piece. Allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lsmtpd::mail_json {

constexpr std::uint64_t base64_size(std::uint64_t bytes) {
  return (bytes + 2) / 3 * 4;
}

// Order: encode() until all pieces are read, then finish() once.
class Base64Encoder {
 public:
  struct Step {
    std::size_t read;
    std::size_t written;
  };
  // Returns when the piece is used up or fewer than 4 bytes of room are left.
  Step encode(std::string_view in, char* out, std::size_t room);
  // Writes the rest, padded: 0 or 4 bytes.
  std::size_t finish(char* out);

 private:
  unsigned char carry_[3] = {};
  std::size_t carry_size_ = 0;
};

// Order: decode() each piece, finish() once. Strict: no character beyond the alphabet, padding only
// at the end.
class Base64Decoder {
 public:
  // `out` has room for in.size() + 3 bytes. Returns the number of bytes written, or -1 where `in`
  // is not base64.
  std::int64_t decode(std::string_view in, char* out);
  // False: the input ended inside a group.
  bool finish() const { return digits_ == 0; }

 private:
  std::uint32_t bits_ = 0;
  unsigned digits_ = 0;  // of the group of four
  unsigned padding_ = 0;
  bool ended_ = false;
};

}  // namespace lsmtpd::mail_json
