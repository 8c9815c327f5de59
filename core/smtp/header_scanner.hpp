// SPDX-License-Identifier: Apache-2.0
// Reads the header section of a message while its content passes by: counts the Received: fields,
// since many of them mean a loop (RFC 5321 6.3), and keeps the Message-ID field for the log and,
// where it is wanted, the traceparent field. Of each other line no more than the field's name is
// looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::smtp {

class HeaderScanner {
 public:
  static constexpr size_t kLongestValue = 256;  // octets of a field that are kept

  // The next piece of content. Returns at once when the header section is over.
  void feed(std::string_view piece) {
    if (!over_) scan(piece);
  }
  void want_traceparent() { wants_traceparent_ = true; }
  uint32_t received_fields() const { return received_; }
  // The value of the first Message-ID field without blanks around it; empty: none. It stands as the
  // client sent it, unescaped.
  std::string_view message_id() const;
  // The same of the traceparent field; empty where there are several, which W3C Trace Context takes
  // for none.
  std::string_view traceparent() const;

 private:
  enum class Kept : uint8_t { nothing, message_id, traceparent };

  void scan(std::string_view piece);
  void look_at(char c);
  void end_of_name();

  void keep(std::string_view piece);

  static constexpr uint8_t kSkipLine = 255;
  std::string id_;
  std::string traceparent_;
  std::string_view name_;  // the field that this line's name may be
  uint32_t received_ = 0;
  uint8_t matched_ = 0;  // letters of the name seen at the start of this line, or kSkipLine
  bool blank_ = false;   // this line began with a CR
  bool wants_traceparent_ = false;
  uint8_t traceparents_ = 0;   // fields of that name; more than 1 are not counted
  Kept kept_ = Kept::nothing;  // what this line and its continuations are
  bool over_ = false;
};

}  // namespace lsmtpd::smtp
