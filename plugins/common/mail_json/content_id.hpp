// SPDX-License-Identifier: Apache-2.0
// The content id of a message: SHA-256 over the reverse-path, each recipient and the content, the
// addresses each with a NUL behind it. It is the same when a client sends the same mail to the same
// recipients again, which the message's id is not.
//
// Order: the constructor, add() for each piece of the content, finish() once. One thread at a time.
#pragma once

#include <lsmtpd/message.h>

#include <string>
#include <string_view>

#include "mail_json/sha256.hpp"

namespace lsmtpd::mail_json {

class ContentId {
 public:
  explicit ContentId(const lsmtpd_envelope& envelope);

  void add(std::string_view piece);
  // 64 hexadecimal digits; empty: OpenSSL had no memory.
  std::string finish();

 private:
  Sha256 hash_;
};

}  // namespace lsmtpd::mail_json
