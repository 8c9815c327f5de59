// SPDX-License-Identifier: Apache-2.0
#include "success_cache.hpp"

#include <gtest/gtest.h>

namespace auth_file {
namespace {

TEST(SuccessCache, KnowsTheSameCredentialsForTenMinutes) {
  SuccessCache cache;
  EXPECT_FALSE(cache.knows("user", "secret", 1000));
  cache.add("user", "secret", 1000, 0);
  EXPECT_TRUE(cache.knows("user", "secret", 1000 + SuccessCache::kKeptMs - 1));
  EXPECT_FALSE(cache.knows("user", "secre", 1000));
  EXPECT_FALSE(cache.knows("use", "rsecret", 1000));
  EXPECT_FALSE(cache.knows("user", "secret", 1000 + SuccessCache::kKeptMs));
  EXPECT_FALSE(cache.knows("user", "secret", 1000)) << "it is gone";
}

TEST(SuccessCache, AFileThatChangedMakesItForget) {
  SuccessCache cache;
  cache.add("user", "secret", 0, 0);
  cache.drop_all(1);
  EXPECT_FALSE(cache.knows("user", "secret", 1));
  cache.add("user", "secret", 1, 0);
  EXPECT_FALSE(cache.knows("user", "secret", 1)) << "checked against the file before";
  cache.add("user", "secret", 1, 1);
  EXPECT_TRUE(cache.knows("user", "secret", 1));
}

TEST(SuccessCache, IsBounded) {
  SuccessCache cache;
  for (size_t i = 0; i <= SuccessCache::kMost; ++i) cache.add(std::to_string(i), "x", 0, 0);
  EXPECT_FALSE(cache.knows("0", "x", 0));
  EXPECT_TRUE(cache.knows(std::to_string(SuccessCache::kMost), "x", 0));
}

}  // namespace
}  // namespace auth_file
