// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include "answer_cache.hpp"

namespace filter_dnsbl {
namespace {

class DnsblCache : public testing::Test {
 protected:
  ~DnsblCache() override {
    EXPECT_EQ(t_->memory_used, 0) << "everything is released";
    lsmtpd_test_finish(t_);
    lsmtpd_test_free(t_);
  }
  lsmtpd_test* t_ = lsmtpd_test_new();
  lsmtpd::sdk::Host host_{&lsmtpd_t_new_host(t_, 0)->raw};
};

TEST_F(DnsblCache, ForgetsWhatIsOverAndReplacesWhatIsNew) {
  AnswerCache cache(host_, 1 << 20);
  cache.put("a", {{1, 2}}, 100);
  cache.put("b", {}, 200);
  EXPECT_EQ(cache.find("a", 99)->codes, (std::vector<Code>{1, 2}));
  EXPECT_FALSE(cache.find("a", 100));
  EXPECT_TRUE(cache.find("b", 100)->codes.empty());
  cache.put("b", {{3}}, 300);
  EXPECT_EQ(cache.find("b", 250)->codes, (std::vector<Code>{3}));
}

TEST_F(DnsblCache, StaysWithinItsSizeAndKeepsWhatIsAskedFor) {
  AnswerCache cache(host_, 64 << 10);
  for (int i = 0; i < 10'000; ++i) {
    cache.put("key " + std::to_string(i), {{1}}, 1000);
    ASSERT_TRUE(cache.find("key 0", 1)) << i;
    ASSERT_LE(cache.bytes(), 64u << 10);
  }
  EXPECT_TRUE(cache.find("key 9999", 1));
  EXPECT_FALSE(cache.find("key 5000", 1));
  EXPECT_EQ(t_->memory_used, 64 << 10);
}

TEST_F(DnsblCache, WithoutMemoryOfTheHostItKeepsNothing) {
  lsmtpd_test_memory_limit(t_, 0);
  AnswerCache cache(host_, 1 << 20);
  cache.put("a", {{1}}, 1000);
  EXPECT_FALSE(cache.find("a", 1));
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace filter_dnsbl
