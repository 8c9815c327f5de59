// SPDX-License-Identifier: Apache-2.0
// Standard Webhooks: a request is signed with HMAC-SHA256 over "id.timestamp.body", once with each
// key, so that a receiver that has one of them can check it. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace lsmtpd::output_http {

using Key = std::string;  // the bytes

// Each line of the text that is not empty: "whsec_" and base64, or the base64 alone. Or what is
// wrong; never with a part of a key.
tl::expected<std::vector<Key>, std::string> parse_keys(std::string_view text);

// Order: add() for each piece of the body, then signature() once.
class Signer {
 public:
  Signer(const std::vector<Key>& keys, std::string_view id, std::uint64_t timestamp);
  ~Signer();
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  void add(std::string_view bytes);
  // "v1,BASE64 v1,BASE64"
  std::string signature();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lsmtpd::output_http
