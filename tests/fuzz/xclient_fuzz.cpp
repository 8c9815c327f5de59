// SPDX-License-Identifier: Apache-2.0
// Arguments of XCLIENT: values that come out are safe in an envelope, and come out again when they
// are written anew.
#include <arpa/inet.h>

#include <string>

#include "base/text.hpp"
#include "fuzz_input.hpp"
#include "smtp/commands.hpp"
#include "smtp/xclient.hpp"

namespace {

using namespace lsmtpd;

void require_text(const std::optional<std::string>& text) {
  if (!text) return;
  fuzz::require(text->size() <= 255 && is_utf8(*text) && !smtp::kind_of(*text).control);
}

void require_address(const std::optional<std::string>& text) {
  unsigned char octets[sizeof(in6_addr)];
  if (!text || text->empty()) return;
  fuzz::require(inet_pton(AF_INET, text->c_str(), octets) == 1 ||
                inet_pton(AF_INET6, text->c_str(), octets) == 1);
}

std::string encoded(const std::string& text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  if (text.empty()) return "[UNAVAILABLE]";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    out += '+';
    out += kDigits[octet >> 4];
    out += kDigits[octet & 15];
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  smtp::XclientAttributes attributes;
  if (!smtp::parse_xclient(text, attributes)) return 0;
  for (const auto* each : {&attributes.name, &attributes.helo, &attributes.login})
    require_text(*each);
  require_address(attributes.address);
  require_address(attributes.local_address);
  if (!attributes.login || !attributes.address) return 0;
  smtp::XclientAttributes again;
  fuzz::require(smtp::parse_xclient(
      "LOGIN=" + encoded(*attributes.login) + " ADDR=" + encoded(*attributes.address), again));
  // The text "[UNAVAILABLE]" itself cannot be written.
  if (again.login->empty() || again.address->empty()) return 0;
  fuzz::require(again.login == attributes.login && again.address == attributes.address);
  return 0;
}
