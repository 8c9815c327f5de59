// SPDX-License-Identifier: Apache-2.0
// Addresses with placeholders: "mail-{rcpt_domain}" names another queue for each domain that is
// written to.
//
// A Template is parsed once with the options; expand() is called for each message and recipient.
// Values come from clients: what is not a letter, a digit, "-", "_" or "." is percent-encoded,
// domains are lower-cased, an empty value becomes "none", and a value is cut at 255 bytes, so that
// no client can leave the place that the template gives it.
#pragma once

#include <lsmtpd/message.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace lsmtpd::sink {

class Template {
 public:
  // Placeholders: {rcpt}, {rcpt_local}, {rcpt_domain}, {sender_domain}, {listener}, {auth_user},
  // {protocol}, {id}.
  // "{{" and "}}" are literal braces.
  static tl::expected<Template, std::string> parse(std::string_view text);

  // `recipient` is one of the envelope's.
  std::string expand(const lsmtpd_envelope& envelope, std::string_view recipient) const;

  bool empty() const { return pieces_.empty(); }
  // The same for each message / for each recipient of a message.
  bool is_fixed() const { return !varies_; }
  bool by_recipient() const { return by_recipient_; }

 private:
  enum class Part {
    literal,
    rcpt,
    rcpt_local,
    rcpt_domain,
    sender_domain,
    listener,
    auth_user,
    protocol,
    id
  };
  struct Piece {
    Part part;
    std::string text;
  };
  static bool find(std::string_view name, Part* part);

  std::vector<Piece> pieces_;
  bool varies_ = false;
  bool by_recipient_ = false;
};

// As expand() writes a value.
std::string escape_value(std::string_view value);

}  // namespace lsmtpd::sink
