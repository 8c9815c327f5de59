// SPDX-License-Identifier: Apache-2.0
#include "smtp/sasl.hpp"

#include <array>

#include "base/text.hpp"
#include "smtp/commands.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr size_t kLongestName = 255;
constexpr size_t kLongestPassword = 1024;
constexpr std::string_view kAskForUser = "VXNlcm5hbWU6";      // "Username:"
constexpr std::string_view kAskForPassword = "UGFzc3dvcmQ6";  // "Password:"

struct Named {
  std::string_view name;
  Mechanism mechanism;
};
constexpr std::array<Named, 3> kMechanisms{
    {{"PLAIN", Mechanism::plain}, {"LOGIN", Mechanism::login}, {"EXTERNAL", Mechanism::external}}};

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool is_name(std::string_view text) {
  return text.size() <= kLongestName && !kind_of(text).control && is_utf8(text) &&
         text.find('\t') == text.npos;
}

}  // namespace

std::string_view mechanism_name(Mechanism mechanism) {
  for (const Named& each : kMechanisms) {
    if (each.mechanism == mechanism) return each.name;
  }
  return {};
}

std::optional<Mechanism> mechanism_named(std::string_view name) {
  for (const Named& each : kMechanisms) {
    if (equals_ignoring_case(each.name, name)) return each.mechanism;
  }
  return std::nullopt;
}

bool decode_base64(std::string_view text, Secret& octets) {
  octets.clear();
  if (text.size() % 4 != 0 || text.size() / 4 * 3 > 2 * kLongestName + kLongestPassword + 2) {
    return false;
  }
  for (; !text.empty(); text.remove_prefix(4)) {
    size_t padding = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) {
      const bool pads = text[i] == '=' && text.size() == 4 && i >= 2;
      if (!pads && (padding > 0 || value_of(text[i]) < 0)) return false;
      padding += pads;
      bits = bits << 6 | static_cast<uint32_t>(pads ? 0 : value_of(text[i]));
    }
    const char three[3] = {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8),
                           static_cast<char>(bits)};
    if ((padding == 1 && three[2] != 0) || (padding == 2 && (three[1] != 0 || three[2] != 0))) {
      return false;
    }
    octets.append(std::string_view(three, 3 - padding));
  }
  return true;
}

Sasl::Step Sasl::begin(Mechanism mechanism, std::optional<std::string_view> initial) {
  credentials_ = {.mechanism = mechanism};
  has_user_ = false;
  challenge_ = mechanism == Mechanism::login ? kAskForUser : std::string_view();
  if (!initial) return Step::challenge;
  return take(*initial == "=" ? std::string_view() : *initial);
}

Sasl::Step Sasl::respond(std::string_view line) {
  return line == "*" ? Step::cancelled : take(line);
}

Sasl::Step Sasl::take(std::string_view base64) {
  Secret octets;
  if (!decode_base64(base64, octets)) return Step::malformed;
  const std::string_view text = octets.view();
  if (credentials_.mechanism == Mechanism::plain) return take_plain(text);
  if (credentials_.mechanism == Mechanism::external) {
    if (!is_name(text)) return Step::malformed;
    credentials_.authorization = text;
    return Step::complete;
  }
  if (!has_user_) {
    if (text.empty() || !is_name(text)) return Step::malformed;
    credentials_.user = text;
    has_user_ = true;
    challenge_ = kAskForPassword;
    return Step::challenge;
  }
  if (text.empty() || text.size() > kLongestPassword || text.find('\0') != text.npos) {
    return Step::malformed;
  }
  credentials_.password = std::move(octets);
  return Step::complete;
}

// [authorization] NUL user NUL password
Sasl::Step Sasl::take_plain(std::string_view message) {
  const size_t first = message.find('\0');
  const size_t second = first == message.npos ? first : message.find('\0', first + 1);
  if (second == message.npos) return Step::malformed;
  const std::string_view authorization = message.substr(0, first);
  const std::string_view user = message.substr(first + 1, second - first - 1);
  const std::string_view password = message.substr(second + 1);
  if (user.empty() || password.empty() || password.size() > kLongestPassword ||
      password.find('\0') != password.npos || !is_name(user) || !is_name(authorization)) {
    return Step::malformed;
  }
  credentials_.authorization = authorization;
  credentials_.user = user;
  credentials_.password = Secret(password);
  return Step::complete;
}

}  // namespace lsmtpd::smtp
