// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "codes.hpp"
#include "reply_text.hpp"
#include "subjects.hpp"

namespace filter_dnsbl {
namespace {

constexpr Code kBase = 0x7f000000;

TEST(DnsblCodes, RangesAndNetworksCount) {
  CodeSet set;
  EXPECT_EQ(set.add("127.0.0.2"), "");
  EXPECT_EQ(set.add("127.0.0.10-127.0.0.11"), "");
  EXPECT_EQ(set.add("127.0.2.0/23"), "");
  EXPECT_EQ(set.add("127.0.9.9/32"), "");
  for (const Code code : {2u, 10u, 11u, 0x200u, 0x3ffu, 0x909u})
    EXPECT_TRUE(set.counts(kBase + code));
  for (const Code code : {1u, 3u, 9u, 12u, 0x1ffu, 0x400u, 0x908u})
    EXPECT_FALSE(set.counts(kBase + code));
  EXPECT_EQ(set.add("127.0.0.3-127.0.0.2").substr(0, 12), "\"127.0.0.3-1");
  EXPECT_NE(set.add("127.255.0.0/16"), "");
  EXPECT_NE(set.add("::1"), "");
}

TEST(DnsblCodes, EmptySetTakesAllButErrors) {
  const CodeSet set;
  EXPECT_TRUE(set.counts(kBase + 1));
  EXPECT_FALSE(set.counts(0x7fffff01));
  EXPECT_FALSE(set.counts(0xc0000201));
}

TEST(DnsblReply, LongValuesAreCutBetweenCharacters) {
  ReplyText text;
  ASSERT_EQ(text.parse("{text}!"), "");
  EXPECT_TRUE(text.wants_text());
  ReplyValues values;
  values.text = std::string(119, 'a') + "\xc3\xa4" + "b";
  EXPECT_EQ(text.fill(values), std::string(119, 'a') + "!");
  values.text = std::string(118, 'a') + "\xc3\xa4" + "b";
  EXPECT_EQ(text.fill(values), std::string(118, 'a') + "\xc3\xa4!");
  EXPECT_EQ(text.parse("x{text"), "a { is not closed");
}

TEST(DnsblSubjects, DomainsAreInLowerCaseAndInALabels) {
  EXPECT_EQ(helo_domain("MX.Example."), "mx.example");
  EXPECT_EQ(sender_domain("joe@B\xc3\xbc"
                          "cher.Example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(sender_domain(""), "");
  EXPECT_EQ(helo_domain(std::string(64, 'a') + ".example"), "");
}

}  // namespace
}  // namespace filter_dnsbl
