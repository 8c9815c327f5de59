// SPDX-License-Identifier: Apache-2.0
// Writes one message as LSMTPD's JSON: the envelope first, email_content last and in a stream, so
// that a message of any size passes through a small buffer. Where JSON cannot carry the content
// (it is not UTF-8, or has NUL) email_content_base64 with the exact bytes stands before
// email_content, which then has U+FFFD where bytes are invalid.
//
// Order: the constructor copies the values that it needs from the envelope; measure() reads the
// content once; then size() is exact; produce() until it gives 0. The content is given at each call
// and must be the same. Any thread, one at a time; blocks only where Content::read does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "mail_json/base64.hpp"
#include "mail_json/content.hpp"
#include "mail_json/content_id.hpp"
#include "mail_json/escape.hpp"
#include "mail_json/head.hpp"
#include "mail_json/measure.hpp"

namespace lsmtpd::mail_json {

class Writer {
 public:
  static constexpr std::size_t kRoom = 64;  // the least room produce() takes

  Writer(const lsmtpd_envelope& envelope, const WriterOptions& options);

  // False: the content could not be read.
  bool measure(Content& content);

  // The number of bytes that produce() gives in all.
  std::uint64_t size() const;
  bool has_base64() const { return !measure_.exact(); }

  // Puts the next bytes into `out`: how many (it need not be all of `room`), 0 at the end, -1 when
  // the content could not be read.
  std::int64_t produce(Content& content, char* out, std::size_t room);

 private:
  enum class Part { head, base64, text_key, text, tail, done };

  std::size_t fill(Content& content, char* out, std::size_t room);
  std::size_t copy(std::string_view text, char* out, std::size_t room, Part next);
  std::size_t encode(Content& content, char* out, std::size_t room);
  std::size_t escape(Content& content, char* out, std::size_t room);

  std::optional<ContentId> content_id_;  // until the content is measured; a key of `extra`
  std::string head_;  // up to and including the opening quote of the first content string
  Part part_ = Part::head;
  std::size_t copied_ = 0;  // of the fixed text of this part
  Pieces pieces_;
  Measure measure_;
  Base64Encoder base64_;
  Escaper escaper_;
};

}  // namespace lsmtpd::mail_json
