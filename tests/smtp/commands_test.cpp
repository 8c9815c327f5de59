// SPDX-License-Identifier: Apache-2.0
#include "smtp/commands.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::smtp {
namespace {

TEST(Commands, FindsTheVerbInAnyCase) {
  EXPECT_EQ(parse_command("MAIL FROM:<a@b>").verb, Verb::mail);
  EXPECT_EQ(parse_command("mail from:<a@b>").verb, Verb::mail);
  EXPECT_EQ(parse_command("RcPt\tTO:<a@b>").verb, Verb::rcpt);
  EXPECT_EQ(parse_command("starttls").verb, Verb::starttls);
  EXPECT_EQ(parse_command("QUIT").verb, Verb::quit);
  for (const std::string_view line :
       {"", " QUIT", "QUI", "QUITS", "MAILFROM:<a@b>", "DATA.", "\xc4HLO"}) {
    EXPECT_EQ(parse_command(line).verb, Verb::unknown) << line;
  }
}

TEST(Commands, TrimsTheArgument) {
  EXPECT_EQ(parse_command("EHLO   a b \t ").argument, "a b");
  EXPECT_EQ(parse_command("QUIT  ").argument, "");
}

TEST(Commands, KnowsWhoTakesAnArgument) {
  for (const std::string_view line :
       {"QUIT", "QUIT ", "NOOP", "NOOP x", "HELP", "HELP x", "VRFY x", "EHLO x"}) {
    EXPECT_TRUE(parse_command(line).argument_fits) << line;
  }
  for (const std::string_view line :
       {"QUIT x", "DATA x", "RSET x", "EHLO", "HELO ", "VRFY", "MAIL", "BDAT"}) {
    EXPECT_FALSE(parse_command(line).argument_fits) << line;
  }
}

TEST(Commands, SeesWhatOctetsALineHas) {
  EXPECT_FALSE(kind_of("NOOP \t~").control);
  EXPECT_TRUE(kind_of("NOOP \x7f").control);
  EXPECT_TRUE(kind_of(std::string_view("a\0b", 3)).control);
  EXPECT_TRUE(kind_of("a\rb").control);
  EXPECT_FALSE(kind_of("abc").eight_bit);
  EXPECT_TRUE(kind_of("ab\x80").eight_bit);
}

TEST(Commands, SeesEveryOctetWhereverItStands) {
  for (size_t size = 1; size < 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string line(size, '~');
        line[at] = static_cast<char>(octet);
        const LineKind kind = kind_of(line);
        ASSERT_EQ(kind.control, (octet < 0x20 && octet != '\t') || octet == 0x7f) << octet;
        ASSERT_EQ(kind.eight_bit, octet >= 0x80) << octet;
      }
    }
  }
}

TEST(Commands, EatsTheKeywordWithBlanksAroundItsColon) {
  for (const std::string_view text :
       {"FROM:<a>", "from:<a>", "From: <a>", "FROM :<a>", "FROM \t:  <a>"}) {
    std::string_view argument = text;
    EXPECT_TRUE(consume_keyword("FROM", argument)) << text;
    EXPECT_EQ(argument, "<a>");
  }
  for (const std::string_view text : {"", "FROM", "FROM<a>", "FRO:<a>", "TO:<a>", "FROMX:<a>"}) {
    std::string_view argument = text;
    EXPECT_FALSE(consume_keyword("FROM", argument)) << text;
  }
}

TEST(Commands, KnowsAnHttpRequest) {
  EXPECT_TRUE(is_http_request("GET / HTTP/1.1"));
  EXPECT_TRUE(is_http_request("PRI * HTTP/2.0"));
  EXPECT_TRUE(is_http_request("OPTIONS * HTTP/1.0"));
  EXPECT_FALSE(is_http_request("NOOP / HTTP/1.1"));
  EXPECT_FALSE(is_http_request("GET /"));
}

}  // namespace
}  // namespace lsmtpd::smtp
