// SPDX-License-Identifier: Apache-2.0
// The records of TLS on their way into OpenSSL (RFC 8446 5.1, RFC 5246 6.2.1): handed out only
// once they are whole, so that OpenSSL never holds its buffer of 17 KiB for part of one. Only what
// is left of the input is kept.
//
// During the handshake it also looks at the length that the peer gives each message: OpenSSL would
// reserve up to 128 KiB for a message of which only the first four octets have come.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::io {

class TlsRecords {
 public:
  // A ClientHello with the key shares of today has less than 2 KiB; a client's certificate with its
  // issuers has at most TlsContext's limit.
  static constexpr uint32_t kLongestMessage = 17u << 10;  // octets

  // The next octets of the peer. They must stay where they are until end_input().
  void begin_input(std::string_view octets) { incoming_ = octets; }
  // Keeps what was not read.
  void end_input();

  // Copies at most `size` octets of whole records; 0: there are none.
  size_t read(char* target, size_t size);
  // Whether read() would return any.
  bool has_record() const { return left_ > 0 || record_size() > 0; }
  uint64_t held() const { return kept_.capacity(); }

  // From the next record on messages are encrypted: their lengths cannot be seen.
  void handshake_done() { handshake_ = false; }
  // A message was announced that is longer than kLongestMessage.
  bool message_too_long() const { return message_too_long_; }

 private:
  static constexpr size_t kHeader = 5;

  size_t available() const { return kept_.size() - at_ + incoming_.size(); }
  unsigned char octet(size_t index) const;
  size_t record_size() const;
  void look_at_messages(size_t record);

  std::string kept_;
  size_t at_ = 0;  // what of kept_ was read
  std::string_view incoming_;
  size_t left_ = 0;  // of the record that is being read
  uint32_t message_left_ = 0;
  unsigned char header_[4] = {};  // of a message of the handshake
  uint8_t header_size_ = 0;
  bool handshake_ = true;
  bool message_too_long_ = false;
};

}  // namespace lsmtpd::io
