// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <mail_json/timestamp.hpp>

namespace lsmtpd::mail_json {
namespace {

TEST(Timestamp, IsWrittenAsLsmtpdDid) {
  EXPECT_EQ(format_timestamp(1795311519271215996), "2026-11-22T01:38:39.271215996+00:00");
  EXPECT_EQ(format_timestamp(0), "1970-01-01T00:00:00.000000000+00:00");
  EXPECT_EQ(format_timestamp(-1), "1969-12-31T23:59:59.999999999+00:00");
}

TEST(Timestamp, IsReadBack) {
  for (const std::int64_t ns :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1795311519271215996}}) {
    EXPECT_EQ(parse_timestamp(format_timestamp(ns)), ns);
  }
  EXPECT_EQ(parse_timestamp("2026-11-22T01:38:39Z"), 1795311519000000000);
  EXPECT_EQ(parse_timestamp("2026-11-22T02:38:39.5+01:00"), 1795311519500000000);
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "now", "2026-11-22", "2026-13-22T01:38:39Z", "2026-11-22T25:38:39Z",
        "2026-11-22T01:38:39", "2026-11-22T01:38:39.Z", "2026-11-22T01:38:39Zjunk",
        "-026-11-22T01:38:39Z", "9999-11-22T01:38:39Z", "2026-11-22T01:38:39+24:00"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

}  // namespace
}  // namespace lsmtpd::mail_json
