// SPDX-License-Identifier: Apache-2.0
// Turns the inside of a JSON string back into bytes, piece by piece: an escape may be split over
// two pieces. Order: unescape() each piece, finish() once. Allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lsmtpd::mail_json {

class Unescaper {
 public:
  // `out` has room for in.size() + 4 bytes. Returns the number of bytes written, or -1 where an
  // escape is not valid.
  std::int64_t unescape(std::string_view in, char* out);
  // False: the input ended inside an escape.
  bool finish() const { return state_ == State::plain && high_ == 0; }

 private:
  enum class State { plain, escape, hex };

  bool step(char c, char*& out);
  bool escape(char c, char*& out);
  bool code_unit(char*& out);

  State state_ = State::plain;
  unsigned digits_ = 0;     // of \uXXXX so far
  std::uint32_t unit_ = 0;  // their value
  std::uint32_t high_ = 0;  // high surrogate that waits for its low one
};

}  // namespace lsmtpd::mail_json
