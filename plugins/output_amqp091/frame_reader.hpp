// SPDX-License-Identifier: Apache-2.0
// Cuts what the broker sends into frames.
//
// feed() hands each whole frame to the handler, at most kLongestFrame octets of payload, and keeps
// the octets of a frame that is not whole. The payload of body frames, which only returned messages
// have, is counted and not kept. After an error nothing more is handed on. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire.hpp"

namespace lsmtpd::amqp091 {

class FrameReader {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // False: no more frames, the connection is given up. The payload lives during the call; that
    // of a body frame is empty.
    virtual bool frame(FrameType type, std::uint16_t channel, std::string_view payload,
                       std::uint32_t size) = 0;
  };

  // Methods and content headers that a broker has reason to send are smaller.
  static constexpr std::size_t kLongestFrame = 64 * 1024;

  explicit FrameReader(Handler& handler) : handler_(handler) {}

  // False: error() says why, or the handler wanted no more.
  bool feed(std::string_view bytes);
  const std::string& error() const { return error_; }
  // Octets that are kept.
  std::size_t held() const { return kept_.size(); }

 private:
  bool fail(std::string why);
  bool one(std::string_view* bytes);
  bool skip(std::string_view* bytes);

  Handler& handler_;
  std::string kept_;
  std::string error_;
  bool begun_ = false;  // the first octets were no protocol header
  bool in_body_ = false;
  std::uint64_t body_left_ = 0;  // with the frame's end
  std::uint32_t body_size_ = 0;
  std::uint16_t body_channel_ = 0;
};

}  // namespace lsmtpd::amqp091
