// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <mail_names/mail_names.hpp>

namespace lsmtpd::mail_names {
namespace {

TEST(Domain, IsLowerCaseWithoutItsLastDot) {
  EXPECT_EQ(normal_domain("MX.Example.ORG."), "mx.example.org");
  EXPECT_EQ(normal_domain(""), "");
  EXPECT_EQ(normal_domain("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
}

TEST(Domain, UnicodeAndALabelsAreEqual) {
  EXPECT_EQ(normal_domain("B\xc3\xbc"
                          "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(normal_domain("b\xc3\x9c"
                          "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(normal_domain("bu\xcc\x88"
                          "cher.example"),
            "xn--bcher-kva.example");  // not composed
  EXPECT_EQ(normal_domain("XN--BCHER-KVA.example"), "xn--bcher-kva.example");
  // IDNA 2008: the sharp s is a letter of its own.
  EXPECT_EQ(normal_domain("stra\xc3\x9f"
                          "e.example"),
            "xn--strae-oqa.example");
}

TEST(Domain, ThatIsNoneStaysAsItIs) {
  EXPECT_EQ(normal_domain("\xff\xfe.Example"), "\xff\xfe.example");
  const std::string long_one(5000, '\xc3');
  EXPECT_EQ(normal_domain(long_one), long_one);
}

TEST(Address, LocalPartIsComparedWithoutCase) {
  EXPECT_EQ(joined(normal_address("Joe.Doe@Example.org")), "joe.doe@example.org");
}

TEST(Address, QuotesThatAreNotNeededAreDropped) {
  EXPECT_EQ(joined(normal_address("\"Joe\"@example.org")), "joe@example.org");
  EXPECT_EQ(joined(normal_address("\"j\\oe\"@example.org")), "joe@example.org");
  EXPECT_EQ(joined(normal_address("\"a b\"@example.org")), "\"a b\"@example.org");
  EXPECT_EQ(joined(normal_address("\"a@b\"@example.org")), "\"a@b\"@example.org");
  EXPECT_EQ(joined(normal_address("\"\"@example.org")), "\"\"@example.org");
}

TEST(Address, DomainStandsBehindTheLastAt) {
  const Address address = normal_address("\"a@evil.example\"@example.org");
  EXPECT_EQ(address.domain, "example.org");
}

TEST(Address, NullSenderAndPostmasterHaveNoDomain) {
  EXPECT_TRUE(normal_address("").null);
  EXPECT_EQ(normal_address("Postmaster").local, "postmaster");
  EXPECT_EQ(normal_address("Postmaster").domain, "");
  EXPECT_FALSE(normal_address("Postmaster").null);
}

}  // namespace
}  // namespace lsmtpd::mail_names
