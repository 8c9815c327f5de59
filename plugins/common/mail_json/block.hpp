// SPDX-License-Identifier: Apache-2.0
// The test of 16 bytes at a time that Escaper and Measure share, so that both agree on special
// bytes.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>

namespace lsmtpd::mail_json {

// All ones where a byte must be escaped in a JSON string or is not ASCII. The comparison is signed:
// below 0x20 are the control characters and all bytes with the high bit.
inline __m128i special(__m128i block) {
  return _mm_or_si128(_mm_cmplt_epi8(block, _mm_set1_epi8(0x20)),
                      _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))));
}

}  // namespace lsmtpd::mail_json
#endif
