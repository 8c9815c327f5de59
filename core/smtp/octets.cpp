// SPDX-License-Identifier: Apache-2.0
#include "smtp/octets.hpp"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lsmtpd::smtp {

namespace {

// The reference, and all that machines other than x86-64 have.
size_t find_special_plain(const char* data, size_t size, Want want, LineContext& context) {
  bool after_cr = context.after_cr != 0;
  bool line_start = context.line_start != 0;
  size_t i = 0;
  for (; i < size; ++i) {
    const char c = data[i];
    if ((c == '\n') != after_cr && want.bare != 0) break;
    if (line_start && ((c == '.' && want.dot != 0) || (c == '\0' && want.nul != 0))) break;
    line_start = after_cr && c == '\n';
    after_cr = c == '\r';
  }
  context.after_cr = after_cr;
  context.line_start = line_start;
  return i;
}

#if defined(__x86_64__)

// One bit an octet, lowest first.
struct Masks {
  uint64_t cr = 0;
  uint64_t lf = 0;
  uint64_t dot = 0;
  uint64_t nul = 0;
};

inline uint64_t bits(__m128i equal, unsigned part) {
  return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(equal))) << (16 * part);
}

inline Masks classify(const char* block) {
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i dot = _mm_set1_epi8('.');
  Masks masks;
  for (unsigned part = 0; part < 4; ++part, block += 16) {
    const __m128i octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
    masks.cr |= bits(_mm_cmpeq_epi8(octets, cr), part);
    masks.lf |= bits(_mm_cmpeq_epi8(octets, lf), part);
    masks.dot |= bits(_mm_cmpeq_epi8(octets, dot), part);
    masks.nul |= bits(_mm_cmpeq_epi8(octets, _mm_setzero_si128()), part);
  }
  return masks;
}

// The index of the first octet wanted among the first `count` (1 to 64) of a block, or `count`.
inline size_t find_in_block(const Masks& masks, size_t count, Want want, LineContext& context) {
  const uint64_t after_cr = masks.cr << 1 | context.after_cr;
  const uint64_t crlf = masks.lf & after_cr;
  const uint64_t line_start = crlf << 1 | context.line_start;
  const uint64_t wanted_at_start = (masks.dot & want.dot) | (masks.nul & want.nul);
  uint64_t found = ((masks.lf ^ after_cr) & want.bare) | (line_start & wanted_at_start);
  if (count < 64) found &= (uint64_t{1} << count) - 1;
  if (found != 0) {
    const int index = std::countr_zero(found);
    context = {after_cr >> index & 1, line_start >> index & 1};
    return static_cast<size_t>(index);
  }
  context = {masks.cr >> (count - 1) & 1, crlf >> (count - 1) & 1};
  return count;
}

// How many octets at the front certainly hold nothing to report, in whole blocks; two octets
// stand before `data`. Every LF counts as a line end here: where that is wrong, the block is looked
// at again, exactly.
size_t clean_sse2(const char* data, size_t size) {
  const auto load = [](const char* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  };
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i dot = _mm_set1_epi8('.');
  size_t done = 0;
  for (; size - done >= 64; done += 64) {
    __m128i found = _mm_setzero_si128();
    for (size_t part = done; part < done + 64; part += 16) {
      const __m128i now = load(data + part);
      const __m128i before = load(data + part - 1);
      const __m128i bare = _mm_xor_si128(_mm_cmpeq_epi8(before, cr), _mm_cmpeq_epi8(now, lf));
      const __m128i wanted =
          _mm_or_si128(_mm_cmpeq_epi8(now, dot), _mm_cmpeq_epi8(now, _mm_setzero_si128()));
      const __m128i at_start = _mm_and_si128(_mm_cmpeq_epi8(before, lf), wanted);
      found = _mm_or_si128(found, _mm_or_si128(bare, at_start));
    }
    if (_mm_movemask_epi8(found) != 0) break;
  }
  return done;
}

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i suspicious_avx2(const char* data) {
  const __m256i now = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
  const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data - 1));
  const __m256i lf = _mm256_set1_epi8('\n');
  const __m256i bare = _mm256_xor_si256(_mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r')),
                                        _mm256_cmpeq_epi8(now, lf));
  // A dot or NUL is what its lower four bits find in this table; no other octet is.
  const __m256i table = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, '.', -1));
  const __m256i wanted = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, now), now);
  return _mm256_or_si256(bare, _mm256_and_si256(_mm256_cmpeq_epi8(before, lf), wanted));
}

[[gnu::target("avx2")]] size_t clean_avx2(const char* data, size_t size) {
  const char* at = data;
  for (size_t pairs = size / 128; pairs > 0; --pairs, at += 128) {
    const __m256i first = _mm256_or_si256(suspicious_avx2(at), suspicious_avx2(at + 32));
    const __m256i second = _mm256_or_si256(suspicious_avx2(at + 64), suspicious_avx2(at + 96));
    const __m256i found = _mm256_or_si256(first, second);
    if (_mm256_testz_si256(found, found) == 0) break;
  }
  return static_cast<size_t>(at - data);
}

LineContext context_after(const char* end) {
  const bool crlf = end[-1] == '\n' && end[-2] == '\r';
  return {end[-1] == '\r' ? uint64_t{1} : 0, crlf ? uint64_t{1} : 0};
}

template <size_t clean(const char*, size_t)>
size_t find_special_in_blocks(const char* data, size_t size, Want want, LineContext& context) {
  size_t done = 0;
  while (size - done >= 64) {
    const size_t index = find_in_block(classify(data + done), 64, want, context);
    done += index;
    if (index < 64) return done;
    const size_t skipped = clean(data + done, size - done);
    done += skipped;
    if (skipped > 0) context = context_after(data + done);
  }
  if (done == size) return size;
  char block[64] = {};
  std::memcpy(block, data + done, size - done);
  return done + find_in_block(classify(block), size - done, want, context);
}

constexpr FindSpecial kSse2 = find_special_in_blocks<clean_sse2>;
constexpr FindSpecial kAvx2 = find_special_in_blocks<clean_avx2>;

}  // namespace

std::vector<FindSpecial> find_special_versions() {
  std::vector<FindSpecial> versions{find_special_plain, kSse2};
  if (__builtin_cpu_supports("avx2")) versions.push_back(kAvx2);
  return versions;
}

const FindSpecial find_special = __builtin_cpu_supports("avx2") ? kAvx2 : kSse2;

#else

}  // namespace

std::vector<FindSpecial> find_special_versions() {
  return {find_special_plain};
}

const FindSpecial find_special = find_special_plain;

#endif

}  // namespace lsmtpd::smtp
