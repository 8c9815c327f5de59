// SPDX-License-Identifier: Apache-2.0
#include "mail_json/base64.hpp"

#include <array>
#include <cstdint>

namespace lsmtpd::mail_json {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int16_t, 256> make_values() {
  std::array<std::int16_t, 256> table{};
  for (auto& value : table) value = -1;
  for (std::int16_t i = 0; i < 64; ++i) {
    table[static_cast<unsigned char>(kAlphabet[i])] = i;
  }
  return table;
}

constexpr std::array<std::int16_t, 256> kValues = make_values();

void encode_group(const unsigned char* in, char* out) {
  const std::uint32_t bits = std::uint32_t{in[0]} << 16 | std::uint32_t{in[1]} << 8 | in[2];
  out[0] = kAlphabet[bits >> 18];
  out[1] = kAlphabet[bits >> 12 & 63];
  out[2] = kAlphabet[bits >> 6 & 63];
  out[3] = kAlphabet[bits & 63];
}

}  // namespace

Base64Encoder::Step Base64Encoder::encode(std::string_view in, char* out, std::size_t room) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(in.data());
  std::size_t at = 0;
  std::size_t written = 0;
  while (at < in.size() && written + 4 <= room) {
    if (carry_size_ == 0 && in.size() - at >= 3) {
      encode_group(bytes + at, out + written);
      at += 3;
      written += 4;
      continue;
    }
    carry_[carry_size_++] = bytes[at++];
    if (carry_size_ == 3) {
      encode_group(carry_, out + written);
      written += 4;
      carry_size_ = 0;
    }
  }
  return {at, written};
}

std::size_t Base64Encoder::finish(char* out) {
  if (carry_size_ == 0) return 0;
  for (std::size_t i = carry_size_; i < 3; ++i) carry_[i] = 0;
  encode_group(carry_, out);
  out[3] = '=';
  if (carry_size_ == 1) out[2] = '=';
  carry_size_ = 0;
  return 4;
}

std::int64_t Base64Decoder::decode(std::string_view in, char* out) {
  std::int64_t made = 0;
  for (const char c : in) {
    if (ended_) return -1;
    const int value = kValues[static_cast<unsigned char>(c)];
    if (c == '=' && digits_ >= 2) {
      ++padding_;
    } else if (value < 0 || padding_ > 0) {
      return -1;
    }
    bits_ = bits_ << 6 | static_cast<std::uint32_t>(value < 0 ? 0 : value);
    if (++digits_ < 4) continue;
    out[made++] = static_cast<char>(bits_ >> 16 & 0xFF);
    if (padding_ < 2) out[made++] = static_cast<char>(bits_ >> 8 & 0xFF);
    if (padding_ < 1) out[made++] = static_cast<char>(bits_ & 0xFF);
    ended_ = padding_ > 0;
    digits_ = 0;
    bits_ = 0;
  }
  return made;
}

}  // namespace lsmtpd::mail_json
