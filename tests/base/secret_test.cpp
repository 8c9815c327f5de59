// SPDX-License-Identifier: Apache-2.0
#include "base/secret.hpp"

#include <gtest/gtest.h>

namespace lsmtpd {
namespace {

TEST(Secret, KeepsItsTextThroughGrowthAndMoves) {
  Secret secret;
  std::string all;
  for (int i = 0; i < 500; ++i) {
    const std::string part = std::to_string(i);
    secret.append(part);
    all += part;
  }
  EXPECT_EQ(secret.view(), all);
  Secret moved(std::move(secret));
  EXPECT_EQ(moved.view(), all);
  Secret assigned("x");
  assigned = std::move(moved);
  EXPECT_EQ(assigned.view(), all);
  assigned.clear();
  EXPECT_TRUE(assigned.empty());
}

TEST(Secret, AShortOneLiesOnTheHeapToo) {
  const Secret secret("x");
  const char* text = secret.view().data();
  const char* object = reinterpret_cast<const char*>(&secret);
  EXPECT_TRUE(text < object || text >= object + sizeof secret);
}

TEST(Wipe, ClearsTheWholeCapacity) {
  std::string text(100, 'x');
  const char* memory = text.data();
  text.resize(3);
  wipe(text);
  EXPECT_EQ(text, "");
  ASSERT_EQ(text.data(), memory);
  EXPECT_EQ(std::string(memory, 100), std::string(100, '\0'));
}

}  // namespace
}  // namespace lsmtpd
