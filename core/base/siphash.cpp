// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.hpp"

#include <sys/random.h>

#include <bit>
#include <cstdlib>
#include <cstring>

namespace lsmtpd {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

uint64_t little_endian(const char* octets, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) word |= uint64_t{static_cast<uint8_t>(octets[i])} << 8 * i;
  return word;
}

}  // namespace

uint64_t siphash(const SipKey& key, std::string_view text) {
  State state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
              key[1] ^ 0x7465646279746573};
  const uint64_t length = text.size();
  for (; text.size() >= 8; text.remove_prefix(8)) state.take(little_endian(text.data(), 8));
  state.take(little_endian(text.data(), text.size()) | length << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

const SipKey& process_key() {
  static const SipKey kKey = [] {
    SipKey random{};
    if (::getrandom(random.data(), sizeof random, 0) != sizeof random) std::abort();
    return random;
  }();
  return kKey;
}

}  // namespace lsmtpd
