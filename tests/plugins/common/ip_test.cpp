// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <mail_names/ip.hpp>

namespace lsmtpd::mail_names {
namespace {

std::string network(std::string_view text) {
  std::string problem;
  const auto found = parse_network(text, problem);
  return found ? found->text() : problem;
}

TEST(Ip, IsReadAndWrittenInBothFamilies) {
  EXPECT_EQ(parse_ip("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(parse_ip("2001:DB8:0::1")->text(), "2001:db8::1");
  for (const char* bad : {"", "192.0.2", "192.0.2.256", "[192.0.2.1]", "x", "1.2.3.4 ",
                          ":::", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"})
    EXPECT_FALSE(parse_ip(bad)) << bad;
}

TEST(Ip, IPv4MappedIntoIPv6IsTheIPv4Address) {
  EXPECT_EQ(*parse_ip("::ffff:192.0.2.1"), *parse_ip("192.0.2.1"));
  EXPECT_FALSE(parse_ip("::ffff:192.0.2.1")->v6);
  EXPECT_EQ(network("::ffff:192.0.2.0/120"), "192.0.2.0/24");
}

TEST(Ip, NetworkKeepsTheBitsOfItsPrefix) {
  EXPECT_EQ(parse_ip("192.0.2.255")->network(25).text(), "192.0.2.128");
  EXPECT_EQ(parse_ip("192.0.2.255")->network(0).text(), "0.0.0.0");
  EXPECT_EQ(parse_ip("2001:db8:1:2:3::9")->network(64).text(), "2001:db8:1:2::");
  EXPECT_EQ(parse_ip("2001:db8::9")->network(128).text(), "2001:db8::9");
}

TEST(Network, TakesAPrefixOrNone) {
  EXPECT_EQ(network("192.0.2.0/24"), "192.0.2.0/24");
  EXPECT_EQ(network("192.0.2.1"), "192.0.2.1/32");
  EXPECT_EQ(network("::/0"), "::/0");
  EXPECT_EQ(network("2001:db8::/129"), "\"2001:db8::/129\": the prefix is a number from 0 to 128");
  EXPECT_EQ(network("192.0.2.0/"), "\"192.0.2.0/\": the prefix is a number from 0 to 32");
  EXPECT_EQ(network("192.0.2.0/2x"), "\"192.0.2.0/2x\": the prefix is a number from 0 to 32");
}

TEST(Network, WithBitsBehindItsPrefixIsAMistakeThatNamesTheNetwork) {
  EXPECT_EQ(network("192.0.2.77/24"),
            "\"192.0.2.77/24\" has bits behind its prefix; the network is 192.0.2.0/24");
}

}  // namespace
}  // namespace lsmtpd::mail_names
