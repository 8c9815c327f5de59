// SPDX-License-Identifier: Apache-2.0
// Cuts the octets after DATA, or of BDAT chunks, into pieces of content: dots unstuffed (RFC
// 5321 4.5.2), views into what was fed, nothing copied and nothing held back. Finds the end of
// DATA, which is CRLF.CRLF alone, and what must not be accepted: a bare CR, a bare LF, a lone dot
// with NULs beside it. Works for smtp::Session, one scanner a message: call scan() until it says
// nothing, then feed it more.
#pragma once

#include <cstdint>
#include <string_view>

#include "smtp/octets.hpp"

namespace lsmtpd::smtp {

class Scanner {
 public:
  enum class Found : uint8_t {
    nothing,  // all input is used up
    piece,    // a piece of content
    end,      // CRLF.CRLF: what is left of the input is the next command
    bare_cr,  // a violation: call drain(), then scan() goes on to the true end
    bare_lf,
    nul_dot,  // a line of one dot and NULs: some servers see the end of data in it
  };
  enum class Framing : uint8_t {
    dots,    // DATA
    octets,  // BDAT: no dots, no end; lines are checked
    binary,  // BDAT with BODY=BINARYMIME: nothing is checked
  };

  Scanner() = default;
  // `normalize`: a bare LF becomes CRLF in the content. It is a line end there, but never part of
  // the end of data; a bare CR stays a violation, since no client that sends LF line ends needs it.
  Scanner(Framing framing, bool normalize);

  // Consumes from the front of `input`; `piece` is valid as long as what `input` views.
  Found scan(std::string_view& input, std::string_view& piece);

  // From now on nothing is a violation; only the end counts, and pieces are only good for counting
  // octets.
  void drain();

  // The last octet was a CR: bare, if nothing follows (the end of the last BDAT chunk).
  bool after_cr() const { return line_.after_cr != 0 && want_.bare != 0; }

 private:
  // Where in a line that began with a dot or a NUL we are. Elsewhere `text`, and line_ says more.
  enum class At : uint8_t {
    text,
    dot,          // one dot at the start of the line, dropped
    dot_cr,       // and a CR, held: it belongs to the end, or is bare
    nuls,         // only NULs so far
    dot_and_nuls  // one dot and NULs so far
  };

  Found scan_text(std::string_view& input, std::string_view& piece);
  Found special(std::string_view& input, std::string_view& piece);
  Found after_dot(std::string_view& input);
  Found among_nuls(std::string_view& input, std::string_view& piece);
  void to_text();

  Want want_;
  LineContext line_{0, 1};
  At at_ = At::text;
  bool normalize_ = false;
  bool started_by_lf_ = false;  // this line began after a bare LF: its dot never ends the data
};

}  // namespace lsmtpd::smtp
