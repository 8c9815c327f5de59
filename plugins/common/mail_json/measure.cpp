// SPDX-License-Identifier: Apache-2.0
#include "mail_json/measure.hpp"

#include <algorithm>
#include <cstring>

#include "mail_json/block.hpp"
#include "mail_json/utf8.hpp"

namespace lsmtpd::mail_json {
namespace {

struct Clean {
  std::size_t bytes;    // of ASCII without NUL, a multiple of 16
  std::uint64_t extra;  // what its escapes add
};

#if defined(__SSE2__)
// Bytes that an escape adds, for 16 bytes at once: 1 for a short escape, 5 for \u00XX.
__m128i extra_bytes(__m128i block) {
  const auto equals = [&](char c) { return _mm_cmpeq_epi8(block, _mm_set1_epi8(c)); };
  const __m128i lines = _mm_or_si128(equals('\r'), equals('\n'));
  const __m128i others = _mm_or_si128(_mm_or_si128(equals('\t'), equals('\b')), equals('\f'));
  const __m128i named = _mm_or_si128(lines, others);
  const __m128i quotes = _mm_or_si128(equals('"'), equals('\\'));
  const __m128i controls = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
  const __m128i longs = _mm_andnot_si128(named, controls);
  return _mm_or_si128(_mm_and_si128(_mm_or_si128(named, quotes), _mm_set1_epi8(1)),
                      _mm_and_si128(longs, _mm_set1_epi8(5)));
}

Clean measure_clean(const char* in, std::size_t size) {
  const __m128i zero = _mm_setzero_si128();
  __m128i sum = zero;
  std::size_t at = 0;
  for (; at + 16 <= size; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at));
    if (_mm_movemask_epi8(special(block)) == 0) continue;  // four blocks of five in ordinary mail
    // Signed: bytes that are not above zero are NUL or have the high bit.
    if (_mm_movemask_epi8(_mm_cmpgt_epi8(block, zero)) != 0xFFFF) break;
    sum = _mm_add_epi64(sum, _mm_sad_epu8(extra_bytes(block), zero));
  }
  std::uint64_t halves[2];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(halves), sum);
  return {at, halves[0] + halves[1]};
}
#else
Clean measure_clean(const char*, std::size_t) {
  return {0, 0};
}
#endif

}  // namespace

void Measure::add(std::string_view piece) {
  bytes_ += piece.size();
  std::size_t at = pending_size_ > 0 ? add_sequence(piece) : 0;
  while (at < piece.size()) {
    const Clean clean = measure_clean(piece.data() + at, piece.size() - at);
    at += clean.bytes;
    escaped_ += clean.bytes + clean.extra;
    // One block byte by byte: it is not clean, or the last.
    const std::size_t end = std::min(piece.size(), at + 16);
    while (at < end) {
      const auto byte = static_cast<unsigned char>(piece[at]);
      if (byte >= 0x80) {
        at += add_sequence(piece.substr(at, 4));
      } else {
        add_ascii(byte);
        ++at;
      }
    }
  }
}

void Measure::add_ascii(unsigned char byte) {
  static constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
  if (byte == 0) exact_ = false;
  if (kShort.find(static_cast<char>(byte)) != std::string_view::npos) {
    escaped_ += 2;
  } else {
    escaped_ += byte < 0x20 ? 6 : 1;
  }
}

// Measures the sequence that begins in the pending bytes or else in `text`; returns how many bytes
// of `text` it has.
std::size_t Measure::add_sequence(std::string_view text) {
  const std::size_t more = std::min(text.size(), sizeof(pending_) - pending_size_);
  std::memcpy(pending_ + pending_size_, text.data(), more);
  const Utf8Sequence next = utf8_sequence({pending_, pending_size_ + more});
  const std::size_t used = next.length - pending_size_;
  if (next.kind == Utf8::incomplete) {
    pending_size_ = next.length;
    return used;
  }
  pending_size_ = 0;
  if (next.kind == Utf8::invalid) exact_ = false;
  escaped_ += next.kind == Utf8::valid ? next.length : kReplacement.size();
  return used;
}

void Measure::finish() {
  if (pending_size_ == 0) return;
  pending_size_ = 0;
  exact_ = false;
  escaped_ += kReplacement.size();
}

}  // namespace lsmtpd::mail_json
