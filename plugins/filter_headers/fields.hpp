// SPDX-License-Identifier: Apache-2.0
// Header fields as text: pure functions from an envelope to RFC 5322 lines, which
// filter_headers.cpp puts together. The result is whole fields whatever a client sent: no control
// character, and no line longer than 998.
#pragma once

#include <lsmtpd/message.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace filter_headers {

// A text with {placeholders}, parsed once: "from {peer_address}"; "{{" is a brace.
class Template {
 public:
  // Returns the mistake in `text` ("unknown placeholder {x}"), or "".
  std::string parse(std::string_view text);
  std::string expand(const lsmtpd_envelope& envelope, std::string_view hostname) const;

 private:
  struct Piece {
    bool placeholder;
    std::string text;
  };
  std::vector<Piece> pieces_;
};

// Returns true if the text may stand before the colon (RFC 5322 2.2: printable, no space, no
// colon).
bool is_field_name(std::string_view name);

// "Name: value" and CRLF, folded at spaces so that lines stay within 78 where that is possible, and
// within 998 always.
std::string field(std::string_view name, std::string_view value);

// "Sun, 22 Nov 2026 03:18:24 +0000" (RFC 5322 3.3), of nanoseconds since the epoch.
std::string date(int64_t time_ns);

// The Received field (RFC 5321 4.4) and its CRLF. The FOR clause names a recipient only where there
// is exactly one, so that no recipient learns of the others.
std::string received(const lsmtpd_envelope& envelope, std::string_view hostname);

// "Return-Path: <...>" and CRLF.
std::string return_path(const lsmtpd_envelope& envelope);

}  // namespace filter_headers
