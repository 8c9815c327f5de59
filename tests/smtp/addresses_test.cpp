// SPDX-License-Identifier: Apache-2.0
#include "smtp/addresses.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::smtp {
namespace {

struct Good {
  std::string_view text;
  std::string_view address;
  std::string_view rest;
};

TEST(Addresses, ReadsWhatRealMailHas) {
  const Good cases[] = {
      {"<>", "", ""},
      {"<a@b>", "a@b", ""},
      {"<a@b> SIZE=1", "a@b", " SIZE=1"},
      {"<a@b>\tSIZE=1", "a@b", "\tSIZE=1"},
      {"a@b", "a@b", ""},
      {"a@b SIZE=1", "a@b", " SIZE=1"},
      {"<first.last+tag@mail.example.com>", "first.last+tag@mail.example.com", ""},
      {"<Mixed.Case@Example.COM>", "Mixed.Case@Example.COM", ""},
      {"<prvs=1234=a@b>", "prvs=1234=a@b", ""},
      {"<SRS0=x=y=z=a@b>", "SRS0=x=y=z=a@b", ""},
      {"<a..b.@docomo.example>", "a..b.@docomo.example", ""},
      {"<a@under_score.example>", "a@under_score.example", ""},
      {"<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example", ""},
      {"<\"quoted > part\"@b>", "\"quoted > part\"@b", ""},
      {"<\"a\\\"b\\\\\"@b> X", "\"a\\\"b\\\\\"@b", " X"},
      {"<\"\"@b>", "\"\"@b", ""},
      {"<\"a@b\"@c>", "\"a@b\"@c", ""},
      {"<a@[192.0.2.1]>", "a@[192.0.2.1]", ""},
      {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""},
      {"<a@[tag:content]>", "a@[tag:content]", ""},
      {"<@r1.example,@r2.example:a@b>", "a@b", ""},
      {"<@[192.0.2.1]:a@b>", "a@b", ""},
      {"@r:a@b", "a@b", ""},
      {"<Postmaster>", "Postmaster", ""},
      {"<a!b%c@d>", "a!b%c@d", ""},
  };
  for (const Good& one : cases) {
    Path path;
    EXPECT_EQ(parse_path(one.text, path), PathFault::none) << one.text;
    EXPECT_EQ(path.address, one.address) << one.text;
    EXPECT_EQ(path.rest, one.rest) << one.text;
    EXPECT_FALSE(path.utf8);
  }
}

TEST(Addresses, RefusesWhatCouldBeReadInTwoWays) {
  for (const std::string_view text : {"",
                                      " ",
                                      "<",
                                      ">",
                                      "<a@b",
                                      "a@b>",
                                      "<a@b>junk",
                                      "<a@b>,<c@d>",
                                      "<<a@b>>",
                                      "<a@b@c>",
                                      "<a b@c>",
                                      "<a,c@b>",
                                      "<a@>",
                                      "<@b>",
                                      "<@>",
                                      "<a>",
                                      "<a@b..c>",
                                      "<a@.b>",
                                      "<a@b.>",
                                      "<a@b c>",
                                      "<\"a@b>",
                                      "<\"a\"b@c>",
                                      "<a\"b\"@c>",
                                      "<\"a\\\"@b>",
                                      "<a@[]>",
                                      "<a@[192.0.2]>",
                                      "<a@[IPv6:]>",
                                      "<a@[IPv6:1.2.3.4]>",
                                      "<a@[1.2.3.4>",
                                      "<a@[x:]>",
                                      "<a@[1.2.3.4]x>",
                                      "<@a>",
                                      "<@a:>",
                                      "<@a,b:c@d>",
                                      "<@a,:c@d>",
                                      "<a@b/c>",
                                      "< a@b>",
                                      "<a@b >",
                                      "<(x)a@b>",
                                      "a@b;c@d",
                                      "<a:b@c>",
                                      "<\\a@b>"}) {
    Path path;
    EXPECT_EQ(parse_path(text, path), PathFault::syntax) << text;
  }
}

TEST(Addresses, RefusesControlCharactersAnywhere) {
  for (int c = 0; c < 32; ++c) {
    for (const std::string& text :
         {std::string("<a") + char(c) + "@b>", std::string("<\"") + char(c) + "\"@b>",
          std::string("<\"\\") + char(c) + "\"@b>", std::string("<a@b") + char(c) + ">",
          std::string("<a@[x:") + char(c) + "]>"}) {
      Path path;
      EXPECT_EQ(parse_path(text, path), PathFault::syntax) << c;
    }
  }
}

TEST(Addresses, KnowsUtf8) {
  Path path;
  EXPECT_EQ(parse_path("<@\xc3\xb6:a@b>", path), PathFault::none);
  EXPECT_TRUE(path.utf8) << "in a source route too";
  EXPECT_EQ(parse_path("<@\xff:a@b>", path), PathFault::not_utf8);
  EXPECT_EQ(parse_path("<j\xc3\xb6rg@b\xc3\xbc"
                       "cher.example>",
                       path),
            PathFault::none);
  EXPECT_TRUE(path.utf8);
  EXPECT_EQ(parse_path("<\"\xc3\xa4 b\"@c>", path), PathFault::none);
  EXPECT_TRUE(path.utf8);
  EXPECT_EQ(parse_path("<a@b>", path), PathFault::none);
  EXPECT_FALSE(path.utf8);
  for (const std::string_view text :
       {"<j\xf6rg@b>", "<a\xc0\x80@b>", "<a\xed\xa0\x80@b>", "<a@b\xff>"}) {
    EXPECT_EQ(parse_path(text, path), PathFault::not_utf8) << text;
  }
}

TEST(Addresses, HoldsPathsTo256Octets) {
  const auto path_of = [](size_t octets) { return "<" + std::string(octets - 4, 'a') + "@b>"; };
  Path path;
  EXPECT_EQ(parse_path(path_of(256), path), PathFault::none);
  EXPECT_EQ(parse_path(path_of(257), path), PathFault::too_long);
  EXPECT_EQ(parse_path("<" + std::string(70, 'a') + "@b>", path), PathFault::none);
}

}  // namespace
}  // namespace lsmtpd::smtp
