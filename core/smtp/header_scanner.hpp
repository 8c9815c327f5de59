// SPDX-License-Identifier: Apache-2.0
// Reads the header section of a message while its content passes by: counts the Received: fields,
// since many of them mean a loop (RFC 5321 6.3), and keeps the Message-ID field for the log. Of
// each other line no more than the field's name is looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::smtp {

class HeaderScanner {
 public:
  static constexpr size_t kLongestId = 256;  // octets of a Message-ID that are kept

  // The next piece of content. Returns at once when the header section is over.
  void feed(std::string_view piece) {
    if (!over_) scan(piece);
  }
  uint32_t received_fields() const { return received_; }
  // The value of the first Message-ID field without blanks around it; empty: none. Whatever the
  // client sent stands in it.
  std::string_view message_id() const;

 private:
  void scan(std::string_view piece);
  void look_at(char c);
  void end_of_name();

  static constexpr uint8_t kSkipLine = 255;
  std::string id_;
  std::string_view name_;  // the field that this line's name may be
  uint32_t received_ = 0;
  uint8_t matched_ = 0;   // letters of the name seen at the start of this line, or kSkipLine
  bool blank_ = false;    // this line began with a CR
  bool keeping_ = false;  // this line and its continuations are the Message-ID
  bool over_ = false;
};

}  // namespace lsmtpd::smtp
