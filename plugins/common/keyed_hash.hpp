// SPDX-License-Identifier: Apache-2.0
// SipHash-1-3: a hash under a key, so that nobody can choose words that all fall into
// one place of its table. Its 64 bits also serve as the checksum of a list.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lsmtpd::common {

struct HashKey {
  uint64_t first = 0, second = 0;
};

class SipHash {
 public:
  explicit SipHash(HashKey key)
      : v0_(key.first ^ 0x736f6d6570736575u),
        v1_(key.second ^ 0x646f72616e646f6du),
        v2_(key.first ^ 0x6c7967656e657261u),
        v3_(key.second ^ 0x7465646279746573u) {}

  // The size of every piece but the last is a multiple of 8.
  void add(std::string_view piece) {
    size_ += piece.size();
    for (; piece.size() >= 8; piece.remove_prefix(8)) word(load(piece.data(), 8));
    rest_ = load(piece.data(), piece.size());
  }
  uint64_t result() {
    word(rest_ | (size_ & 0xff) << 56);
    v2_ ^= 0xff;
    for (int i = 0; i < 3; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  static uint64_t load(const char* at, size_t count) {
    uint64_t out = 0;
    if (count != 0) std::memcpy(&out, at, count);
    return out;
  }
  void word(uint64_t m) {
    v3_ ^= m;
    round();
    v0_ ^= m;
  }
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_, rest_ = 0, size_ = 0;
};

inline uint64_t siphash(HashKey key, std::string_view text) {
  SipHash hash(key);
  hash.add(text);
  return hash.result();
}

}  // namespace lsmtpd::common
