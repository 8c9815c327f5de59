// SPDX-License-Identifier: Apache-2.0
#include "journal/crc32c.hpp"

#include <array>

#ifdef LSMTPD_ISAL
#include <isa-l/crc.h>

#include <algorithm>
#endif

namespace lsmtpd::journal {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
    table[byte] = value;
  }
  return table;
}

}  // namespace

std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t before) {
  static constexpr auto kTable = make_table();
  std::uint32_t value = ~before;
  for (const char c : data)
    value = value >> 8 ^ kTable[(value ^ static_cast<unsigned char>(c)) & 0xff];
  return ~value;
}

#ifdef LSMTPD_ISAL
std::uint32_t crc32c(std::string_view data, std::uint32_t before) {
  constexpr std::size_t kMost = 1u << 30;  // ISA-L counts in int
  std::uint32_t value = ~before;
  while (!data.empty()) {
    const std::size_t size = std::min(data.size(), kMost);
    // ISA-L only reads.
    auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data.data()));
    value = crc32_iscsi(bytes, static_cast<int>(size), value);
    data.remove_prefix(size);
  }
  return ~value;
}
#else
std::uint32_t crc32c(std::string_view data, std::uint32_t before) {
  return crc32c_by_table(data, before);
}
#endif

}  // namespace lsmtpd::journal
