// SPDX-License-Identifier: Apache-2.0
// The options of smtp_load, and the bytes that it sends for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "../yardstick.hpp"

namespace lsmtpd::bench {

enum class Style : std::uint8_t {
  stepwise,   // each command waits for the reply to the one before, as smtp-source does it
  pipelined,  // MAIL, RCPT and DATA in one flight; content, its end and the next three in the next
  chunked,    // MAIL, RCPT, BDAT LAST and content in one flight, `window` such transactions at once
};

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  Style style = Style::stepwise;
  bool kept = true;  // or one message a connection, ended with QUIT
  std::size_t size = 4096;
  std::size_t connections = 30;
  std::uint64_t messages = 0;  // 0 = until `seconds` have passed
  double seconds = 0;
  double warm_up = 0;  // seconds before `seconds`, not counted
  std::string recipient = "r@example.org";
  double rate = 0;      // messages a second, at random moments; 0 = the next follows the reply
  unsigned seed = 1;    // of these moments
  std::string moments;  // the file that gets them; empty: none
  std::size_t window = 4;
  Clock::duration round_trip{};
  double patience = 60;  // seconds without any reply that end the run
  bool tls = false;      // from the first octet
  bool step = false;     // waits for a line on stdin before it begins and before it hangs up
};

// Ends the program with 2 and the usage when the arguments make no sense.
Options parse_options(int argc, char** argv);

// The pieces of a message in its style. Built once: connections send views of them.
struct Script {
  explicit Script(const Options& options);

  static constexpr std::string_view ehlo = "EHLO load.example.org\r\n", data = "DATA\r\n",
                                    quit = "QUIT\r\n";
  std::string_view mail = "MAIL FROM:<s@example.org>\r\n";
  std::string rcpt;
  std::string chunk;    // BDAT with the size
  std::string content;  // with its CRLF.CRLF where it goes after DATA
};

}  // namespace lsmtpd::bench
