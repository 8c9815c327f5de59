// SPDX-License-Identifier: Apache-2.0
#include "mail_json/unescape.hpp"

#include <cstring>

namespace lsmtpd::mail_json {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void put_utf8(std::uint32_t code, char*& out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    *out++ = static_cast<char>(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xE0 | code >> 12);
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | code >> 18);
    *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = static_cast<char>(0x80 | (code & 0x3F));
}

}  // namespace

std::int64_t Unescaper::unescape(std::string_view in, char* out) {
  char* const begin = out;
  while (!in.empty()) {
    if (state_ == State::plain && high_ == 0) {
      const void* escape = std::memchr(in.data(), '\\', in.size());
      const std::size_t run =
          escape != nullptr ? static_cast<std::size_t>(static_cast<const char*>(escape) - in.data())
                            : in.size();
      std::memcpy(out, in.data(), run);
      out += run;
      in.remove_prefix(run);
      if (in.empty()) break;
    }
    if (!step(in[0], out)) return -1;
    in.remove_prefix(1);
  }
  return out - begin;
}

bool Unescaper::step(char c, char*& out) {
  if (state_ == State::escape) return escape(c, out);
  if (state_ == State::plain) {
    // A high surrogate without a following escape is handled here too.
    state_ = State::escape;
    return c == '\\';
  }
  const int value = hex_value(c);
  if (value < 0) return false;
  unit_ = unit_ << 4 | static_cast<std::uint32_t>(value);
  if (++digits_ < 4) return true;
  state_ = State::plain;
  return code_unit(out);
}

bool Unescaper::escape(char c, char*& out) {
  if (c == 'u') {
    state_ = State::hex;
    digits_ = 0;
    unit_ = 0;
    return true;
  }
  static constexpr char kLetters[] = "\"\\/bfnrt";
  static constexpr char kBytes[] = "\"\\/\b\f\n\r\t";
  const void* found = c != '\0' ? std::strchr(kLetters, c) : nullptr;
  if (found == nullptr || high_ != 0) return false;
  *out++ = kBytes[static_cast<const char*>(found) - kLetters];
  state_ = State::plain;
  return true;
}

bool Unescaper::code_unit(char*& out) {
  const bool low = unit_ >= 0xDC00 && unit_ < 0xE000;
  if (low != (high_ != 0)) return false;
  if (low) {
    put_utf8(0x10000 + ((high_ - 0xD800) << 10) + (unit_ - 0xDC00), out);
    high_ = 0;
  } else if (unit_ >= 0xD800 && unit_ < 0xDC00) {
    high_ = unit_;
  } else {
    put_utf8(unit_, out);
  }
  return true;
}

}  // namespace lsmtpd::mail_json
