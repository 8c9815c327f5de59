// SPDX-License-Identifier: Apache-2.0
// Cuts what a client sends into command lines. A line that came in one piece is a view into the
// input; only one that came in parts is kept. Longer lines than kLineLimit are reported once and
// skipped, so that a client without line ends holds no memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::smtp {

class CommandReader {
 public:
  // RFC 5321 4.5.3.1.4 asks for 512 octets, CRLF included; the parameters of SIZE, SMTPUTF8, DSN
  // and BODY add some 900. No client needs more than this, and no client gets more memory.
  static constexpr size_t kLineLimit = 2048;

  enum class Found : uint8_t {
    nothing,   // all input is used up
    line,      // line() is one
    too_long,  // line() is its beginning: the rest is skipped
    skipped,   // the end of a line that was too long
  };
  // Consumes from the front of `input`.
  Found read(std::string_view& input);

  // Without its line end; valid until the next call of read() or release(), and as long as the
  // input.
  std::string_view line() const { return line_; }
  // The line, or the one that was skipped, ended in LF alone.
  bool bare_lf() const { return bare_lf_; }
  // Part of a line was read.
  bool within_line() const { return skipping_ || !kept_.empty(); }

  // Forgets and clears the line that was returned last, half a line too: it may be a password.
  void release();
  uint64_t held() const { return kept_.capacity(); }

 private:
  void keep(std::string_view part);
  Found end_line(std::string_view line);
  Found skip(std::string_view& input);

  std::string kept_;  // what came so far of a line, or the whole of one that came in parts
  std::string_view line_;
  bool kept_is_whole_ = false;  // the next read() begins a new line
  bool skipping_ = false;
  bool ended_in_cr_ = false;  // the octets that were skipped last
  bool bare_lf_ = false;
};

}  // namespace lsmtpd::smtp
