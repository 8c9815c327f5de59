// SPDX-License-Identifier: Apache-2.0
// Shared by the harnesses: the header of an input, and the report of a broken promise.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace lsmtpd::fuzz {

inline void require(bool promise) {
  if (!promise) std::abort();
}

// The first two octets choose the settings and how the rest is cut; the rest is what a client
// sends.
struct Input {
  uint8_t flags = 0;
  uint8_t seed = 0;
  std::string_view text = {};

  Input(const uint8_t* data, size_t size) {
    if (size < 2) return;
    flags = data[0];
    seed = data[1];
    text = {reinterpret_cast<const char*>(data) + 2, size - 2};
  }
  bool flag(unsigned bit) const { return (flags >> bit & 1) != 0; }
};

}  // namespace lsmtpd::fuzz
