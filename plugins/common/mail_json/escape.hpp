// SPDX-License-Identifier: Apache-2.0
// Escapes bytes as the inside of a JSON string, piece by piece: a UTF-8 sequence may be split over
// two pieces. Invalid UTF-8 becomes U+FFFD; NUL becomes \u0000. Clean runs are copied 16 bytes at a
// time.
// Order: escape() until all pieces are read, then finish() once. Not thread-safe; allocates
// nothing.
#pragma once

#include <cstddef>
#include <string_view>

namespace lsmtpd::mail_json {

class Escaper {
 public:
  static constexpr std::size_t kRoom = 32;  // the least room that makes progress

  // Returns how many bytes at the front of `in` are ASCII that needs no escape.
  static std::size_t plain(std::string_view in);

  struct Step {
    std::size_t read;     // bytes of the piece that were used
    std::size_t written;  // bytes put into `out`
  };

  // Escapes `in` into `out`, which has `room` bytes; returns when either is used up (fewer than
  // kRoom bytes left count as used up).
  Step escape(std::string_view in, char* out, std::size_t room);

  // The end of the string: U+FFFD for a sequence that was not finished. Up to 3 bytes.
  std::size_t finish(char* out);

 private:
  std::size_t complete_pending(std::string_view in, char* out, std::size_t& written);
  std::size_t high_run(std::string_view in, char* out, std::size_t room, std::size_t& written);

  char pending_[4] = {};  // the beginning of a valid sequence, from the end of the last piece
  std::size_t pending_size_ = 0;
};

}  // namespace lsmtpd::mail_json
