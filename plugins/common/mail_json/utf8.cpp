// SPDX-License-Identifier: Apache-2.0
#include "mail_json/utf8.hpp"

namespace lsmtpd::mail_json {
namespace {

struct Lead {
  std::size_t length;  // 0: no sequence begins so
  unsigned char low;   // range of the second byte
  unsigned char high;
};

// Unicode table 3-7: well-formed UTF-8 byte sequences.
Lead lead(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Sequence utf8_sequence(std::string_view text) {
  const Lead first = lead(static_cast<unsigned char>(text[0]));
  if (first.length == 0) return {Utf8::invalid, 1};
  unsigned char low = first.low;
  unsigned char high = first.high;
  for (std::size_t at = 1; at < first.length; ++at) {
    if (at == text.size()) return {Utf8::incomplete, at};
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < low || byte > high) return {Utf8::invalid, at};
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8::valid, first.length};
}

std::string utf8_lossy(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Sequence next = utf8_sequence(text);
    const bool good = next.kind == Utf8::valid && text[0] != '\0';
    out.append(good ? text.substr(0, next.length) : kReplacement);
    text.remove_prefix(next.length);
  }
  return out;
}

}  // namespace lsmtpd::mail_json
