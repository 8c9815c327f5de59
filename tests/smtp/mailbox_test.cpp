// SPDX-License-Identifier: Apache-2.0
#include "smtp/mailbox.hpp"

#include <gtest/gtest.h>

#include <mail_names/mail_names.hpp>

namespace lsmtpd::smtp {
namespace {

std::string normal(std::string_view address, LocalCase local_case = LocalCase::ignored) {
  const auto mailbox = normal_mailbox(address, local_case);
  return mailbox.local + "|" + mailbox.domain;
}

TEST(MailboxTest, DomainsAreComparedWithoutCase) {
  EXPECT_EQ(normal("joe@Example.ORG"), "joe|example.org");
  EXPECT_EQ(normal("joe@Example.ORG", LocalCase::kept), "joe|example.org");
}

TEST(MailboxTest, LocalPartsLoseTheirCaseUnlessItCounts) {
  EXPECT_EQ(normal("Joe@example.org"), "joe|example.org");
  EXPECT_EQ(normal("Joe@example.org", LocalCase::kept), "Joe|example.org");
}

TEST(MailboxTest, BothSpellingsOfAnInternationalDomainAreEqual) {
  EXPECT_EQ(normal("joe@bücher.example"), "joe|xn--bcher-kva.example");
  EXPECT_EQ(normal("joe@BÜCHER.example"), "joe|xn--bcher-kva.example");
  EXPECT_EQ(normal("joe@XN--Bcher-KVA.example"), "joe|xn--bcher-kva.example");
}

TEST(MailboxTest, QuotesThatAreNotNeededAreDropped) {
  EXPECT_EQ(normal("\"joe\"@example.org"), "joe|example.org");
  EXPECT_EQ(normal("\"jo\\e\"@example.org"), "joe|example.org");
  EXPECT_EQ(normal("\"a b\"@example.org"), "\"a b\"|example.org");
  EXPECT_EQ(normal("\"a@b\"@example.org"), "\"a@b\"|example.org");
}

TEST(MailboxTest, PostmasterNeedsNoDomain) {
  EXPECT_EQ(normal("postmaster"), "postmaster|");
  EXPECT_EQ(normal("PostMaster@example.org", LocalCase::kept), "postmaster|example.org");
  EXPECT_TRUE(is_postmaster("PostMaster"));
  EXPECT_TRUE(is_postmaster("\"postmaster\"@example.org"));
  EXPECT_FALSE(is_postmaster("postmaster2@example.org"));
  EXPECT_FALSE(is_postmaster("joe@postmaster"));
}

// A plugin shares no code with the core, so both have the normal form.
TEST(MailboxTest, FiltersCompareAddressesInTheSameForm) {
  for (const std::string address :
       {"Joe@Example.ORG", "\"joe\"@example.org", "\"a b\"@example.org", "\"jo\\e\"@example.org",
        "a..b@example.org", "joe@b\u00fccher.example", "joe@XN--Bcher-KVA.example", "Postmaster",
        "joe@[IPv6:2001:DB8::1]", "gr\u00fc\u00df@example.org", "\"a@b\"@x", "joe+x@a_b.example"}) {
    const auto of_filters = mail_names::normal_address(address);
    const auto ours = normal_mailbox(address, LocalCase::ignored);
    EXPECT_EQ(ours.local, of_filters.local) << address;
    EXPECT_EQ(ours.domain, of_filters.domain) << address;
  }
}

TEST(MailboxTest, WhatIsNoDomainStaysAsItIs) {
  EXPECT_EQ(normal_domain(std::string(300, 'A') + "ü"), std::string(300, 'a') + "ü");
  EXPECT_EQ(normal_domain("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
}

}  // namespace
}  // namespace lsmtpd::smtp
