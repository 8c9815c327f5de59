// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd {
namespace {

// The vectors of the authors: key 00 01 ... 0f, text 00 01 ...
TEST(SipHash, AgreesWithTheVectorsOfItsAuthors) {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  for (char c = 0; c < 15; ++c) text += c;
  EXPECT_EQ(siphash(key, ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(siphash(key, text.substr(0, 8)), 0x93f5f5799a932462u);
  EXPECT_EQ(siphash(key, text), 0xa129ca6149be45e5u);
}

TEST(SipHash, TheKeyOfTheProcessStays) {
  EXPECT_EQ(process_key(), process_key());
  EXPECT_NE(process_key(), SipKey{});
}

}  // namespace
}  // namespace lsmtpd
