// SPDX-License-Identifier: Apache-2.0
#include "journal/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::journal {
namespace {

// RFC 3720, B.4.
TEST(Crc32c, GivesTheValuesOfTheStandard) {
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  for (const auto& crc : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(rising, 0), 0x46dd794eu);
    EXPECT_EQ(crc("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc("", 0), 0u);
  }
}

TEST(Crc32c, OfPiecesIsThatOfTheWhole) {
  const std::string text(10'000, 'x');
  for (const std::size_t cut : {0u, 1u, 7u, 4096u, 9999u}) {
    const std::string_view whole(text);
    EXPECT_EQ(crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))), crc32c(whole));
    EXPECT_EQ(crc32c_by_table(whole.substr(cut), crc32c(whole.substr(0, cut))), crc32c(whole));
  }
}

}  // namespace
}  // namespace lsmtpd::journal
