// SPDX-License-Identifier: Apache-2.0
// Looks at what a broker sends before the engine does, for what the engine does not tell or limit:
// the SASL mechanisms that are offered, and how many transfers came. lsmtpd only sends, so
// transfers are what the engine would keep without bound.
//
// feed() everything in order, in pieces of any size. Holds at most 520 bytes. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::amqp {

class FrameWatch {
 public:
  void feed(std::string_view bytes);

  // The first 8 bytes: the protocol header, or whatever a peer says that speaks something else.
  const std::string& greeting() const { return greeting_; }
  std::uint64_t transfers() const { return transfers_; }
  // Separated by spaces; empty: none seen.
  const std::string& mechanisms() const { return mechanisms_; }

 private:
  void header_complete();
  void body_begun();
  std::size_t wanted() const;
  std::uint64_t body_at() const;

  std::string greeting_;
  std::string head_;          // the present frame's header, and the beginning of its body
  std::uint64_t frame_ = 0;   // its size; 0: not known yet
  std::uint64_t passed_ = 0;  // of it
  bool seen_ = false;         // its body has begun
  std::uint64_t transfers_ = 0;
  std::string mechanisms_;
  bool broken_ = false;  // no AMQP: the engine says so
};

}  // namespace lsmtpd::amqp
