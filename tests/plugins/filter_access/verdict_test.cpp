// SPDX-License-Identifier: Apache-2.0
#include "rule_verdict.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::access {
namespace {

using Action = Verdict::Action;

TEST(Verdict, TakesCodeEnhancedCodeAndTextEachWhereItStands) {
  Verdict verdict;
  ASSERT_EQ(parse_verdict("reject 554 5.7.1 No mail from here", verdict), "");
  EXPECT_EQ(verdict.action, Action::reject);
  EXPECT_EQ(verdict.code, 554u);
  EXPECT_EQ(verdict.enhanced, "5.7.1");
  EXPECT_EQ(verdict.text, "No mail from here");
  ASSERT_EQ(parse_verdict("  TempFail  4.7.1  later ", verdict), "");
  EXPECT_EQ(verdict.action, Action::tempfail);
  EXPECT_EQ(verdict.code, 0u);
  EXPECT_EQ(verdict.enhanced, "4.7.1");
  EXPECT_EQ(verdict.text, "later");
  ASSERT_EQ(parse_verdict("reject 5 a day is the limit", verdict), "");
  EXPECT_EQ(verdict.text, "5 a day is the limit");
  ASSERT_EQ(parse_verdict("reject", verdict), "");
  EXPECT_EQ(verdict.text, "");
}

TEST(Verdict, CodeThatDoesNotFitIsAMistake) {
  Verdict verdict;
  EXPECT_EQ(parse_verdict("reject 450 x", verdict),
            "reject takes a code that begins with 5, not 450");
  EXPECT_EQ(parse_verdict("tempfail 451 5.7.1 x", verdict),
            "tempfail takes an enhanced code that begins with 4, not 5.7.1");
}

TEST(Verdict, AnnotationHasKeyAndValue) {
  Verdict verdict;
  ASSERT_EQ(parse_verdict("annotate list = good friends", verdict), "");
  EXPECT_EQ(verdict.key, "list");
  ASSERT_EQ(parse_verdict("annotate list=good friends", verdict), "");
  EXPECT_EQ(verdict.key, "list");
  EXPECT_EQ(verdict.value, "good friends");
  EXPECT_NE(parse_verdict("annotate =x", verdict), "");
  EXPECT_EQ(parse_verdict("annotate x", verdict),
            "annotate wants KEY=VALUE, as in: annotate list=partners");
}

TEST(Verdict, OtherWordsAreMistakes) {
  Verdict verdict;
  EXPECT_EQ(parse_verdict("drop it", verdict),
            "\"drop\" is no verdict; there are: accept, continue, reject, tempfail, annotate");
  EXPECT_EQ(parse_verdict("accept all", verdict), "accept takes no more words");
  EXPECT_NE(parse_verdict("", verdict), "");
}

}  // namespace
}  // namespace lsmtpd::access
