// SPDX-License-Identifier: Apache-2.0
#include "base/network.hpp"

#include <gtest/gtest.h>

namespace lsmtpd {
namespace {

std::string problem(std::string_view text) {
  const auto network = parse_network(text);
  return network ? "none: " + format_network(*network) : network.error().message;
}

TEST(Network, ContainsTheAddressesOfItsPrefix) {
  const auto network = parse_network("192.0.2.128/25");
  ASSERT_TRUE(network);
  EXPECT_TRUE(network->contains("192.0.2.128"));
  EXPECT_TRUE(network->contains("192.0.2.255"));
  EXPECT_FALSE(network->contains("192.0.2.127"));
  EXPECT_FALSE(network->contains("192.0.3.128"));
  EXPECT_FALSE(network->contains("::1"));
  EXPECT_FALSE(network->contains("no address"));
}

TEST(Network, OfVersion6ContainsTheAddressesOfItsPrefix) {
  const auto network = parse_network("2001:db8:0:8000::/49");
  ASSERT_TRUE(network);
  EXPECT_TRUE(network->contains("2001:db8:0:ffff::1"));
  EXPECT_FALSE(network->contains("2001:db8:0:7fff::1"));
  EXPECT_FALSE(network->contains("32.1.13.184"));  // the same first octets
}

TEST(Network, OfVersion4ContainsMappedAddresses) {
  EXPECT_TRUE(parse_network("192.0.2.0/24")->contains("::ffff:192.0.2.1"));
  EXPECT_FALSE(parse_network("192.0.2.0/24")->contains("::ffff:192.0.3.1"));
  EXPECT_TRUE(parse_network("::ffff:192.0.2.0/120")->contains("::ffff:192.0.2.1"));
}

TEST(Network, OfPrefix0ContainsEveryAddressOfItsVersion) {
  EXPECT_TRUE(parse_network("0.0.0.0/0")->contains("255.255.255.255"));
  EXPECT_FALSE(parse_network("0.0.0.0/0")->contains("::1"));
  EXPECT_TRUE(parse_network("::/0")->contains("ffff::"));
}

TEST(Network, WithoutAPrefixIsOneAddress) {
  EXPECT_EQ(format_network(*parse_network("192.0.2.1")), "192.0.2.1/32");
  EXPECT_EQ(format_network(*parse_network("2001:DB8::1")), "2001:db8::1/128");
  EXPECT_FALSE(parse_network("192.0.2.1")->contains("192.0.2.2"));
}

TEST(Network, MalformedNetworkIsAnErrorWithAHint) {
  const std::string no_network = " is not a network: write ADDRESS/BITS, such as \"192.0.2.0/24\"";
  EXPECT_EQ(problem(""), "\"\"" + no_network);
  EXPECT_EQ(problem("192.0.2"), "\"192.0.2\"" + no_network);
  EXPECT_EQ(problem("a\x1b"), "\"a\\x1b\"" + no_network);
  EXPECT_EQ(problem("192.0.2.0/33"),
            "\"192.0.2.0/33\" has no prefix length of 0 to 32 behind the /");
  EXPECT_EQ(problem("192.0.2.0/"), "\"192.0.2.0/\" has no prefix length of 0 to 32 behind the /");
  EXPECT_EQ(problem("::/129"), "\"::/129\" has no prefix length of 0 to 128 behind the /");
  EXPECT_EQ(problem("192.0.2.0/-1"),
            "\"192.0.2.0/-1\" has no prefix length of 0 to 32 behind the /");
  EXPECT_EQ(problem("192.0.2.0/24 "),
            "\"192.0.2.0/24 \" has no prefix length of 0 to 32 behind the /");
  EXPECT_EQ(problem("192.0.2.1/24"),
            "\"192.0.2.1/24\" has bits set behind its prefix: the network is \"192.0.2.0/24\"");
}

TEST(SocketAddress, GetsItsPortAndBrackets) {
  const auto of = [](std::string_view text) {
    const auto address = parse_socket_address(text, 53);
    return address ? *address : "none";
  };
  EXPECT_EQ(of("192.0.2.53"), "192.0.2.53:53");
  EXPECT_EQ(of("192.0.2.53:5353"), "192.0.2.53:5353");
  EXPECT_EQ(of("2001:DB8::53"), "[2001:db8::53]:53");
  EXPECT_EQ(of("[2001:db8::53]"), "[2001:db8::53]:53");
  EXPECT_EQ(of("[2001:db8::53]:5353"), "[2001:db8::53]:5353");
  for (const char* bad : {"", "dns.example.org", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536",
                          "192.0.2.53:5x", "[2001:db8::53", "[2001:db8::53]5353", "[192.0.2.53]:53",
                          ":53", "192.0.2", "2001:db8::53:x"})
    EXPECT_EQ(of(bad), "none") << bad;
}

}  // namespace
}  // namespace lsmtpd
