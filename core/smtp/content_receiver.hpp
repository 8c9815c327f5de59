// SPDX-License-Identifier: Apache-2.0
// Takes the octets of one message: DATA (RFC 5321 4.1.1.4) or the chunks of BDAT (RFC 3030). Passes
// on pieces of content, and finds what must not be accepted: lines that do not end in CRLF, a mail
// loop, too many octets. A message that is refused is read to its end, and the client gets the
// reply then.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "smtp/header_scanner.hpp"
#include "smtp/replies.hpp"
#include "smtp/scanner.hpp"

namespace lsmtpd::smtp {

class ContentReceiver {
 public:
  struct Rules {
    bool normalize_bare_lf;
    uint32_t received_headers;  // more are a mail loop
    bool traceparent;           // that field is kept
  };
  enum class Found : uint8_t {
    nothing,    // all input is used up
    piece,      // a piece of content, to be kept
    condemned,  // something is wrong with the message: what was kept of it is of no use
    endless,    // the same, and so much came that its end is not waited for
    end,        // of DATA, or of this chunk
  };
  // When the client is told.
  enum class Condemned : uint8_t {
    at_once,  // at the end of this chunk: its size, or its place among the commands
    content,  // at the end of the message
    lines,    // the same, and lines are not to be trusted
  };

  // In octets of content after unstuffing; 0: none.
  void set_size_limit(uint64_t octets) { size_limit_ = octets; }
  uint64_t size_limit() const { return size_limit_; }
  bool too_large(uint64_t octets) const { return size_limit_ != 0 && octets > size_limit_; }

  void begin_data(const Rules& rules);
  // Each BDAT; before the first one that is accepted begin_chunks() follows.
  void begin_chunk(uint64_t octets, bool last);
  void begin_chunks(const Rules& rules, bool binary);

  // Consumes from the front of `input`.
  Found take(std::string_view& input, std::string_view& piece);

  // Called by take() for a fault that it finds, by the session for a fault of the command that
  // began a chunk, and by the caller when it cannot keep the content.
  void condemn(const replies::Fixed& reply, Condemned kind);
  void refuse(const Reply& reply);  // of a chunk that is condemned: tells it in other words
  bool condemned() const { return fault_ != nullptr || refusal_; }
  // Null where the caller alone refused it: then it has said so itself.
  const replies::Fixed* fault() const { return fault_; }
  bool told_at_last() const { return told_at_last_; }
  bool closes() const { return closes_; }
  void write_verdict(ReplyWriter& replies, uint32_t times) const;

  bool last() const { return !chunked_ || last_; }
  std::string_view message_id() const { return header_.message_id(); }
  std::string_view traceparent() const { return header_.traceparent(); }
  // Octets of content so far, those that were drained too.
  uint64_t octets() const { return octets_; }
  void forget_verdict();
  void reset();  // no message; the size limit stays

 private:
  void begin(const Rules& rules, Scanner::Framing framing);
  Scanner::Found scan(std::string_view& input, std::string_view& piece);
  Found count(std::string_view piece);
  void inspect(std::string_view piece);

  Scanner scanner_;
  HeaderScanner header_;
  const replies::Fixed* fault_ = nullptr;  // the verdict: this one,
  std::unique_ptr<Reply> refusal_;         // or that one
  uint64_t size_limit_ = 0;
  uint64_t octets_ = 0;
  uint64_t left_ = 0;  // of this chunk
  uint32_t received_headers_ = 0;
  bool chunked_ = false;
  bool last_ = false;
  bool told_at_last_ = false;  // earlier chunks are still answered with 250
  bool closes_ = false;
};

}  // namespace lsmtpd::smtp
