// SPDX-License-Identifier: Apache-2.0
// Computes the length of content as a JSON string, and whether JSON can carry it exactly, without
// producing it: AMQP needs the length first, and base64 goes before the text.
// Order: add() each piece, finish() once, then ask. Agrees with Escaper byte for byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lsmtpd::mail_json {

class Measure {
 public:
  void add(std::string_view piece);
  void finish();

  std::uint64_t bytes() const { return bytes_; }      // of content
  std::uint64_t escaped() const { return escaped_; }  // as the inside of a JSON string
  // UTF-8 without NUL: every JSON reader gives the content back exactly.
  bool exact() const { return exact_; }

 private:
  void add_ascii(unsigned char byte);
  std::size_t add_sequence(std::string_view text);

  std::uint64_t bytes_ = 0;
  std::uint64_t escaped_ = 0;
  bool exact_ = true;
  char pending_[4] = {};
  std::size_t pending_size_ = 0;
};

}  // namespace lsmtpd::mail_json
