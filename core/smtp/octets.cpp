#include "smtp/octets.hpp"

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace lsmtpd::smtp {

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

#if defined(__SSE2__)
namespace {

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
  for (unsigned part = 0; part < 4; ++part) {
    const __m128i octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * part));
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

}  // namespace

size_t find_special(const char* data, size_t size, Want want, LineContext& context) {
  size_t done = 0;
  for (; size - done >= 64; done += 64) {
    const size_t index = find_in_block(classify(data + done), 64, want, context);
    if (index < 64) return done + index;
  }
  if (done == size) return size;
  char block[64] = {};
  std::memcpy(block, data + done, size - done);
  return done + find_in_block(classify(block), size - done, want, context);
}

#else

size_t find_special(const char* data, size_t size, Want want, LineContext& context) {
  return find_special_plain(data, size, want, context);
}

#endif

}  // namespace lsmtpd::smtp
