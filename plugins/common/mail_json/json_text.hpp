// SPDX-License-Identifier: Apache-2.0
// Builds JSON text in order, straight into one string: cJSON makes a tree first and prints numbers
// through sprintf, ten times the cost for the few short members that each message has.
// Order: open('{'), then key() and a value for each member, close('}'). Commas come by themselves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lsmtpd::mail_json {

class Text {
 public:
  void open(char bracket);
  void close(char bracket) { out_ += bracket; }

  Text& key(std::string_view key);
  void number(std::uint64_t value);
  void boolean(bool value);
  // As Escaper, but NUL becomes U+FFFD too: many readers take strings as C strings.
  void string(std::string_view value);

  std::string take() { return std::move(out_); }

 private:
  void separate();
  void escape(std::string_view value);

  std::string out_;
};

}  // namespace lsmtpd::mail_json
