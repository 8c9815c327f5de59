// SPDX-License-Identifier: Apache-2.0
// One exchange of AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, and EXTERNAL (RFC 4422 A). PURE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace lsmtpd::smtp {

// The numbers are the ABI's (LSMTPD_AUTH_...).
enum class Mechanism : uint8_t { plain = 1, login = 2, external = 4 };

std::string_view mechanism_name(Mechanism mechanism);
std::optional<Mechanism> mechanism_named(std::string_view name);

struct Credentials {
  Mechanism mechanism = Mechanism::plain;
  std::string authorization = {};  // identity to act as; empty: the user's own
  std::string user = {};           // empty for EXTERNAL
  Secret password = {};
};

class Sasl {
 public:
  enum class Step : uint8_t {
    challenge,  // send challenge(), and hand the next line to respond()
    complete,   // credentials() are there
    malformed,  // no base64, or not what the mechanism sends
    cancelled,  // the client gave up ("*")
  };

  // `initial`: the initial response of the AUTH line, where there is one ("=" is an empty one).
  Step begin(Mechanism mechanism, std::optional<std::string_view> initial);
  Step respond(std::string_view line);

  std::string_view challenge() const { return challenge_; }  // in base64; may be empty
  Credentials& credentials() { return credentials_; }

 private:
  Step take(std::string_view base64);
  Step take_plain(std::string_view message);

  Credentials credentials_;
  std::string_view challenge_;
  bool has_user_ = false;  // LOGIN: the password is next
};

// False: it is no base64 (RFC 4648 4), or of more octets than any credentials have.
bool decode_base64(std::string_view text, Secret& octets);

}  // namespace lsmtpd::smtp
