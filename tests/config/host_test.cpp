// SPDX-License-Identifier: Apache-2.0
#include "config/host.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::config {
namespace {

struct Good {
  const char* text;
  const char* host;
  uint16_t port;
};

TEST(ParseAddress, TakesNamesAndBothKindsOfNumbers) {
  for (const Good& c : {Good{"127.0.0.1:2525", "127.0.0.1", 2525},
                        {"[::1]:25", "::1", 25},
                        {"[fe80::1%eth0]:25", "fe80::1%eth0", 25},
                        {"*:25", "*", 25},
                        {"[::]:25", "::", 25},
                        {"mx.local:25", "mx.local", 25},
                        {"127.0.0.1:0", "127.0.0.1", 0},
                        {"systemd:mx", "systemd:mx", 0},
                        {"h:65535", "h", 65535},
                        {"unix:/run/lsmtpd/lmtp", "unix:/run/lsmtpd/lmtp", 0}}) {
    const auto address = parse_address(c.text);
    ASSERT_TRUE(address) << c.text << ": " << address.error().message;
    EXPECT_EQ(address->host, c.host);
    EXPECT_EQ(address->port, c.port);
    EXPECT_EQ(format_address(address->host, address->port), c.text);
  }
}

struct Bad {
  const char* text;
  const char* message;
};

TEST(ParseAddress, SaysWhatIsWrong) {
  for (const Bad& c : {
           Bad{"", "the port is missing, such as :2525"},
           {"systemd:",
            "\"systemd:\" names no socket: write systemd:NAME, as in FileDescriptorName="},
           {"systemd:a:b",
            "\"systemd:a:b\" names no socket: write systemd:NAME, as in FileDescriptorName="},
           {"127.0.0.1", "the port is missing, such as :2525"},
           {"[::1]", "the port is missing, such as :2525"},
           {"[::1:25", "a ] is missing"},
           {"[nope]:25", "\"nope\" is not an IPv6 address"},
           {"::1:25", "an IPv6 address stands in brackets, such as [::1]:25"},
           {":25", "the host is missing: write *:PORT for every address"},
           {"a b:25", "\"a b\" is not a host"},
           {"1.2.3:25", "\"1.2.3\" is not an IPv4 address"},
           {"300.2.3.4:25", "\"300.2.3.4\" is not an IPv4 address"},
           {"host:", "\"\" is not a port: 0 to 65535"},
           {"host:smtp", "\"smtp\" is not a port: 0 to 65535"},
           {"host:65536", "\"65536\" is not a port: 0 to 65535"},
           {"host:-1", "\"-1\" is not a port: 0 to 65535"},
           {"unix:run/lsmtpd.sock", "the path of a Unix socket begins with a slash"},
           {"/run/lsmtpd.sock", "a Unix socket is written unix:/run/lsmtpd.sock"},
       }) {
    const auto address = parse_address(c.text);
    ASSERT_FALSE(address) << c.text;
    EXPECT_EQ(address.error().message, c.message) << c.text;
  }
}

TEST(IsHostname, TakesWhatMayStandInTheBanner) {
  for (const auto name : {"mx.example.com", "localhost", "a_b-c", "[192.0.2.1]", "[IPv6:::1]"}) {
    EXPECT_TRUE(is_hostname(name)) << name;
  }
  for (const auto name : {"", "a b", "mx\r\n250 ok", "-x", ".x", "[]", "[x", "b\xc3\xbc.example"}) {
    EXPECT_FALSE(is_hostname(name)) << name;
  }
  EXPECT_TRUE(is_hostname(machine_name()));
}

}  // namespace
}  // namespace lsmtpd::config
