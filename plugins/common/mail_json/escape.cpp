// SPDX-License-Identifier: Apache-2.0
#include "mail_json/escape.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "mail_json/block.hpp"
#include "mail_json/utf8.hpp"

namespace lsmtpd::mail_json {
namespace {

struct Escape {
  char text[7];
  unsigned char size;
};

constexpr std::string_view kEscapedCrLf = "\\r\\n";

// The escaped form of each byte below 0x80: itself, a short escape or \u00XX (as serde_json writes
// it).
constexpr std::array<Escape, 128> make_escapes() {
  std::array<Escape, 128> table{};
  constexpr char kHex[] = "0123456789abcdef";
  for (unsigned byte = 0; byte < 128; ++byte) {
    Escape& entry = table[byte];
    entry = {{static_cast<char>(byte)}, 1};
    if (byte < 0x20) entry = {{'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]}, 6};
  }
  constexpr char kSpecial[] = {'"', '\\', '\b', '\f', '\n', '\r', '\t'};
  constexpr char kLetter[] = {'"', '\\', 'b', 'f', 'n', 'r', 't'};
  for (unsigned i = 0; i < sizeof(kSpecial); ++i) {
    table[static_cast<unsigned char>(kSpecial[i])] = {{'\\', kLetter[i]}, 2};
  }
  return table;
}

constexpr std::array<Escape, 128> kEscapes = make_escapes();

// Copies the leading bytes of `in` that need no escape to `out`, which has room for `limit` bytes
// and 16 more, and returns their number.
#if defined(__SSE2__)
std::size_t copy_clean(const char* in, std::size_t limit, char* out) {
  std::size_t at = 0;
  for (; at + 16 <= limit; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), block);
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special(block)));
    if (mask != 0) return at + static_cast<std::size_t>(std::countr_zero(mask));
  }
  return at;
}
#else
std::size_t copy_clean(const char*, std::size_t, char*) {
  return 0;
}
#endif

}  // namespace

std::size_t Escaper::plain(std::string_view in) {
  const auto escaped = std::find_if(in.begin(), in.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= kEscapes.size() || kEscapes[byte].size > 1;
  });
  return static_cast<std::size_t>(escaped - in.begin());
}

Escaper::Step Escaper::escape(std::string_view in, char* out, std::size_t room) {
  std::size_t written = 0;
  std::size_t at = 0;
  if (pending_size_ > 0 && room >= kRoom) at = complete_pending(in, out, written);
  while (at < in.size() && written + kRoom <= room) {
    const std::size_t limit = std::min(in.size() - at, room - written - 16);
    const std::size_t clean = copy_clean(in.data() + at, limit, out + written);
    at += clean;
    written += clean;
    if (at == in.size() || written + kRoom > room) break;
    const auto byte = static_cast<unsigned char>(in[at]);
    if (byte >= 0x80) {
      at += high_run(in.substr(at), out + written, room - written, written);
      continue;
    }
    if (byte == '\r' && at + 1 < in.size() && in[at + 1] == '\n') {
      written += kEscapedCrLf.copy(out + written, kEscapedCrLf.size());
      at += 2;
      continue;
    }
    const Escape& escape = kEscapes[byte];
    std::memcpy(out + written, escape.text, sizeof(escape.text));
    written += escape.size;
    ++at;
  }
  return {at, written};
}

// Takes the bytes of `in` that end the sequence begun in the piece before, or show it to be
// invalid.
std::size_t Escaper::complete_pending(std::string_view in, char* out, std::size_t& written) {
  const std::size_t more = std::min(in.size(), sizeof(pending_) - pending_size_);
  std::memcpy(pending_ + pending_size_, in.data(), more);
  const Utf8Sequence next = utf8_sequence({pending_, pending_size_ + more});
  const std::size_t used = next.length - pending_size_;
  if (next.kind == Utf8::incomplete) {
    pending_size_ = next.length;
    return used;
  }
  const std::string_view text =
      next.kind == Utf8::valid ? std::string_view(pending_, next.length) : kReplacement;
  std::memcpy(out, text.data(), text.size());
  written += text.size();
  pending_size_ = 0;
  return used;
}

// The sequences at the start of `in` up to the next ASCII byte.
std::size_t Escaper::high_run(std::string_view in, char* out, std::size_t room,
                              std::size_t& written) {
  std::size_t at = 0;
  std::size_t made = 0;
  while (at < in.size() && static_cast<unsigned char>(in[at]) >= 0x80 && made + kRoom <= room) {
    const Utf8Sequence next = utf8_sequence(in.substr(at, 4));
    if (next.kind == Utf8::incomplete) {
      std::memcpy(pending_, in.data() + at, next.length);
      pending_size_ = next.length;
    } else if (next.kind == Utf8::valid) {
      std::memcpy(out + made, in.data() + at, next.length);
      made += next.length;
    } else {
      std::memcpy(out + made, kReplacement.data(), kReplacement.size());
      made += kReplacement.size();
    }
    at += next.length;
  }
  written += made;
  return at;
}

std::size_t Escaper::finish(char* out) {
  if (pending_size_ == 0) return 0;
  pending_size_ = 0;
  std::memcpy(out, kReplacement.data(), kReplacement.size());
  return kReplacement.size();
}

}  // namespace lsmtpd::mail_json
