// SPDX-License-Identifier: Apache-2.0
// The test whether text stands in a log line or a reply as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lsmtpd {

namespace printable_detail {

// GCC's and Clang's vectors: SSE2 on x86-64, NEON on arm64.
using Octets = signed char __attribute__((vector_size(16)));
using Unsigned = unsigned char __attribute__((vector_size(16)));
using Halves = uint64_t __attribute__((vector_size(16)));

template <class Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// One to fifteen octets, some of them twice; what is left is the digit 0.
inline uint64_t load_three(const char* at, size_t size) {
  const auto octet = [at](size_t i) { return uint64_t{static_cast<unsigned char>(at[i])}; };
  return octet(0) << 16 | octet(size / 2) << 8 | octet(size - 1) | 0x3030303030000000;
}
inline Octets load_short(const char* at, size_t size) {
  const char* const end = at + size;
  if (size >= 8)
    return reinterpret_cast<Octets>(Halves{load<uint64_t>(at), load<uint64_t>(end - 8)});
  const uint64_t half = size >= 4 ? uint64_t{load<uint32_t>(at)} << 32 | load<uint32_t>(end - 4)
                                  : load_three(at, size);
  return reinterpret_cast<Octets>(Halves{half, half});
}

}  // namespace printable_detail

// Returns true if `text` is printable ASCII (0x20 to 0x7e) and none of `kBut` is in it. Sixteen
// octets at a time, since each value of each log line is checked.
template <char... kBut>
bool is_printable_but(std::string_view text) {
  using namespace printable_detail;
  if (text.empty()) return true;
  constexpr unsigned char kOne = 1;
  constexpr signed char kLowest = ' ' + 1;
  Octets found = {};
  // With one added 0x7f to 0xfe are negative and 0xff is 0: all are below the others, as controls
  // are.
  const auto look_at = [&found](Octets octets) {
    found |= reinterpret_cast<Octets>(reinterpret_cast<Unsigned>(octets) + kOne) < kLowest;
    ((found |= octets == kBut), ...);
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() < sizeof(Octets)) {
    look_at(load_short(at, text.size()));
  } else {
    for (; end - at > static_cast<ptrdiff_t>(sizeof(Octets)); at += sizeof(Octets))
      look_at(load<Octets>(at));
    // The end is looked at in a piece of its own, some octets of it twice.
    look_at(load<Octets>(end - sizeof(Octets)));
  }
  const auto halves = reinterpret_cast<Halves>(found);
  return (halves[0] | halves[1]) == 0;
}

}  // namespace lsmtpd
