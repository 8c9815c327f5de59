// SPDX-License-Identifier: Apache-2.0
#include "subject.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::nats {
namespace {

TEST(Subject, TokensAndWildcardsMatchAsTheServerMatchesThem) {
  EXPECT_TRUE(subject_matches("mail.in", "mail.in"));
  EXPECT_TRUE(subject_matches("mail.*", "mail.in"));
  EXPECT_TRUE(subject_matches("*.in", "mail.in"));
  EXPECT_TRUE(subject_matches("mail.>", "mail.in"));
  EXPECT_TRUE(subject_matches("mail.>", "mail.in.deep"));
  EXPECT_TRUE(subject_matches(">", "mail"));
  EXPECT_TRUE(subject_matches("mail.*.deep", "mail.in.deep"));
}

TEST(Subject, AnotherNumberOfTokensDoesNotMatch) {
  EXPECT_FALSE(subject_matches("mail.>", "mail"));
  EXPECT_FALSE(subject_matches("mail.*", "mail"));
  EXPECT_FALSE(subject_matches("mail.*", "mail.in.deep"));
  EXPECT_FALSE(subject_matches("mail", "mail.in"));
  EXPECT_FALSE(subject_matches("mail.in", "mail"));
  EXPECT_FALSE(subject_matches("mail", "mai"));
  EXPECT_FALSE(subject_matches("mai", "mail"));
  EXPECT_FALSE(subject_matches("", "mail"));
}

TEST(Subject, WildcardsAndEmptyTokensCannotBePublishedTo) {
  EXPECT_EQ(subject_fault("mail.example.org"), "");
  EXPECT_EQ(subject_fault("mail.a%2Ab"), "");
  for (const char* bad : {"", ".", "mail.", ".mail", "a..b", "a.*", "a.>", "a b", "a\tb",
                          "a\r\nPUB", "m\xc3\xbc", "a*b"})
    EXPECT_NE(subject_fault(bad), "") << bad;
  EXPECT_EQ(subject_fault(std::string(kLongestSubject, 'a')), "");
  EXPECT_NE(subject_fault(std::string(kLongestSubject + 1, 'a')), "");
}

TEST(Subject, AStreamNameIsOneToken) {
  EXPECT_TRUE(is_stream_name("MAIL-1_x"));
  for (const char* bad : {"", "a.b", "a*", "a>", "a b", "a/b", "a\\b", "a\n"})
    EXPECT_FALSE(is_stream_name(bad)) << bad;
}

}  // namespace
}  // namespace lsmtpd::nats
