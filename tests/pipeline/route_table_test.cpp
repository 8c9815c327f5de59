// SPDX-License-Identifier: Apache-2.0
#include "pipeline/route_table.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::pipeline {
namespace {

// "NUMBER PATTERN", or "refused".
std::string way(const RouteTable& table, std::string_view address) {
  const auto match = table.explain(address);
  const auto found = table.find(address);
  EXPECT_EQ(found.has_value(), match.has_value()) << address;
  if (!match) return "refused";
  EXPECT_EQ(*found, match->number) << address;
  return std::to_string(match->number) + (match->pattern.empty() ? "" : " " + match->pattern);
}

std::string fault_of(std::string_view pattern) {
  RouteTable table({});
  const auto status = table.add(pattern, 1);
  return status ? "" : status.error().message;
}

TEST(RouteTableTest, EachFormOfPatternMatchesItsAddresses) {
  RouteTable table({});
  ASSERT_TRUE(table.add("joe@example.org", 1));
  ASSERT_TRUE(table.add("*@example.com", 2));
  ASSERT_TRUE(table.add("*@*.example.net", 3));
  ASSERT_TRUE(table.add("abuse@*", 4));
  ASSERT_TRUE(table.add("Postmaster", 5));
  EXPECT_EQ(way(table, "joe@example.org"), "1 joe@example.org");
  EXPECT_EQ(way(table, "jim@example.org"), "0");
  EXPECT_EQ(way(table, "jim@example.com"), "2 *@example.com");
  EXPECT_EQ(way(table, "jim@a.example.com"), "0");
  EXPECT_EQ(way(table, "jim@a.example.net"), "3 *@*.example.net");
  EXPECT_EQ(way(table, "jim@b.a.example.net"), "3 *@*.example.net");
  EXPECT_EQ(way(table, "jim@example.net"), "0");
  EXPECT_EQ(way(table, "abuse@anywhere.example"), "4 abuse@*");
  EXPECT_EQ(way(table, "postmaster"), "5 postmaster");
  EXPECT_EQ(way(table, "postmaster@example.org"), "0");
  EXPECT_EQ(table.size(), 5u);
}

TEST(RouteTableTest, TheFirstRouteWinsWhateverTheFormOfItsPattern) {
  RouteTable table({});
  ASSERT_TRUE(table.add("*@example.org", 1));
  ASSERT_TRUE(table.add("joe@example.org", 2));
  ASSERT_TRUE(table.add("joe@*", 3));
  EXPECT_EQ(way(table, "joe@example.org"), "1 *@example.org");
  EXPECT_EQ(way(table, "joe@example.com"), "3 joe@*");
  EXPECT_EQ(table.owner("JOE@example.org"), std::optional<uint32_t>(2));
  EXPECT_EQ(table.owner("jim@example.org"), std::nullopt);
}

TEST(RouteTableTest, TheSamePatternStaysWithItsFirstRoute) {
  RouteTable table({});
  ASSERT_TRUE(table.add("joe@example.org", 1));
  ASSERT_TRUE(table.add("joe@example.org", 2));
  EXPECT_EQ(way(table, "joe@example.org"), "1 joe@example.org");
}

TEST(RouteTableTest, CaseOfLocalPartsCountsWhereTheChainSaysSo) {
  RouteTable any({});
  ASSERT_TRUE(any.add("Joe@Example.org", 1));
  EXPECT_EQ(way(any, "jOE@eXAMPLE.org"), "1 joe@example.org");
  RouteTable exact({.local_case = smtp::LocalCase::kept});
  ASSERT_TRUE(exact.add("Joe@Example.org", 1));
  EXPECT_EQ(way(exact, "Joe@EXAMPLE.ORG"), "1 Joe@example.org");
  EXPECT_EQ(way(exact, "joe@example.org"), "0");
}

TEST(RouteTableTest, ALabelsEqualULabels) {
  RouteTable table({});
  ASSERT_TRUE(table.add("*@bücher.example", 1));
  ASSERT_TRUE(table.add("*@*.xn--bcher-kva.example", 2));
  EXPECT_EQ(way(table, "joe@xn--bcher-kva.example"), "1 *@xn--bcher-kva.example");
  EXPECT_EQ(way(table, "joe@a.BÜCHER.example"), "2 *@*.xn--bcher-kva.example");
}

TEST(RouteTableTest, AnExtensionOfALocalPartNeedsNoPattern) {
  RouteTable table({.delimiters = "+-"});
  ASSERT_TRUE(table.add("joe+urgent@example.org", 1));
  ASSERT_TRUE(table.add("joe@example.org", 2));
  EXPECT_EQ(way(table, "joe@example.org"), "2 joe@example.org");
  EXPECT_EQ(way(table, "joe+urgent@example.org"), "1 joe+urgent@example.org");
  EXPECT_EQ(way(table, "joe+lists@example.org"), "2 joe@example.org");
  EXPECT_EQ(way(table, "joe-lists+more@example.org"), "2 joe@example.org");
  EXPECT_EQ(way(table, "+joe@example.org"), "0");
  RouteTable none({});
  ASSERT_TRUE(none.add("joe@example.org", 1));
  EXPECT_EQ(way(none, "joe+lists@example.org"), "0");
}

TEST(RouteTableTest, UnmatchedRecipientsAreRefusedWherePostmasterIsNot) {
  RouteTable table({.reject_unmatched = true});
  ASSERT_TRUE(table.add("*@example.org", 1));
  EXPECT_EQ(way(table, "joe@example.org"), "1 *@example.org");
  EXPECT_EQ(way(table, "joe@example.com"), "refused");
  EXPECT_EQ(way(table, "Postmaster"), "0");
  EXPECT_EQ(way(table, "postmaster@example.com"), "0");
}

TEST(RouteTableTest, AddressLiteralsAreMatchedWhole) {
  RouteTable table({});
  ASSERT_TRUE(table.add("*@[192.0.2.1]", 1));
  EXPECT_FALSE(table.add("*@*.2.1]", 2));
  EXPECT_EQ(way(table, "joe@[192.0.2.1]"), "1 *@[192.0.2.1]");
  EXPECT_EQ(way(table, "joe@[198.51.2.1]"), "0");
}

TEST(RouteTableTest, AStarOfALocalPartItselfIsQuoted) {
  RouteTable table({});
  ASSERT_TRUE(table.add("\"a*b\"@example.org", 1));
  ASSERT_TRUE(table.add("\"*\"@example.org", 2));
  EXPECT_EQ(way(table, "a*b@example.org"), "1 \"a*b\"@example.org");
  EXPECT_EQ(way(table, "*@example.org"), "2 \"*\"@example.org");
  EXPECT_EQ(way(table, "joe@example.org"), "0");
}

TEST(RouteTableTest, WhatIsNoPatternIsNamed) {
  EXPECT_EQ(fault_of(""), "is empty");
  EXPECT_EQ(fault_of("joe"), "has no @");
  EXPECT_EQ(fault_of("joe@"), "is no address that RCPT takes");
  EXPECT_EQ(fault_of("a@b@example.org"), "is no address that RCPT takes");
  EXPECT_EQ(fault_of("@example.org"), "has no local part; *@ matches each");
  EXPECT_EQ(fault_of("j*@example.org"), "has a * inside the local part; it stands for a whole one");
  EXPECT_EQ(fault_of("joe@*.example.org"),
            "has a * on one side only: write *@*.DOMAIN or LOCAL@DOMAIN");
  EXPECT_EQ(fault_of("*@a.*.example.org"),
            "has a * inside the domain; it may stand for the labels in front: *@*.example.org");
  EXPECT_EQ(fault_of("*@*"),
            "matches everything; recipients that no route matches take the chain's own steps");
  EXPECT_EQ(fault_of("joe@example.org."), "is no address that RCPT takes");
  EXPECT_EQ(fault_of("joe@example org"), "is no address that RCPT takes");
  EXPECT_EQ(fault_of("\"joe smith\"@example.org"), "");
}

TEST(RouteTableTest, ADomainOfManyLabelsIsFoundByItsShortestPattern) {
  RouteTable table({});
  ASSERT_TRUE(table.add("*@*.example", 1));
  std::string domain;
  while (domain.size() < 240) domain += "a.";
  EXPECT_EQ(way(table, "joe@" + domain + "example"), "1 *@*.example");
}

}  // namespace
}  // namespace lsmtpd::pipeline
