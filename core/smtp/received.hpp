// SPDX-License-Identifier: Apache-2.0
// Counts the Received: fields of a message while its content passes by: many of them mean a loop
// (RFC 5321 6.3). Only the header section is looked at, and of each line no more than the field's
// name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lsmtpd::smtp {

class ReceivedCounter {
 public:
  // The next piece of content. Returns at once when the header section is over.
  void feed(std::string_view piece) {
    if (!over_) count(piece);
  }
  uint32_t fields() const { return fields_; }

 private:
  void count(std::string_view piece);
  void look_at(char c);

  static constexpr uint8_t skip_line = 255;
  uint32_t fields_ = 0;
  uint8_t matched_ = 0;  // letters of the name seen at the start of this line, or skip_line
  bool blank_ = false;   // this line began with a CR
  bool over_ = false;
};

}  // namespace lsmtpd::smtp
