// SPDX-License-Identifier: Apache-2.0
#include "config/substitute.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace lsmtpd::config {
namespace {

class SubstituteTest : public testing::Test {
 protected:
  SubstituteTest() {
    setenv("LSMTPD_TEST_NAME", "value", 1);
    setenv("LSMTPD_TEST_NESTED", "${LSMTPD_TEST_NAME}", 1);
    setenv("LSMTPD_TEST_EMPTY", "", 1);
    setenv("LSMTPD_TEST_BYTES", "\xff", 1);
    unsetenv("LSMTPD_TEST_UNSET");
  }
};

TEST_F(SubstituteTest, ReplacesNamesAnywhereInTheText) {
  EXPECT_EQ(substitute("${LSMTPD_TEST_NAME}").value(), "value");
  EXPECT_EQ(substitute("a-${LSMTPD_TEST_NAME}-${LSMTPD_TEST_NAME}-b").value(), "a-value-value-b");
  EXPECT_EQ(substitute("[${LSMTPD_TEST_EMPTY}]").value(), "[]");
  EXPECT_EQ(substitute("nothing $ here } {").value(), "nothing $ here } {");
}

TEST_F(SubstituteTest, TwoDollarsAreALiteral) {
  EXPECT_EQ(substitute("$${LSMTPD_TEST_NAME}").value(), "${LSMTPD_TEST_NAME}");
  EXPECT_EQ(substitute("$$").value(), "$$");
  EXPECT_EQ(substitute("$$$${x").value(), "$$${x");
}

TEST_F(SubstituteTest, AValueIsNotLookedThroughAgain) {
  EXPECT_EQ(substitute("${LSMTPD_TEST_NESTED}").value(), "${LSMTPD_TEST_NAME}");
}

TEST_F(SubstituteTest, SaysWhatIsWrong) {
  EXPECT_EQ(substitute("${LSMTPD_TEST_UNSET}").error().message,
            "the environment variable LSMTPD_TEST_UNSET is not set");
  EXPECT_EQ(substitute("${LSMTPD_TEST_BYTES}").error().message,
            "the environment variable LSMTPD_TEST_BYTES is not valid UTF-8");
  EXPECT_EQ(substitute("x${NAME").error().message, "${ without }: write $${ for a literal ${");
  EXPECT_EQ(substitute("${}").error().message,
            "${} does not name an environment variable: write $${ for a literal ${");
  EXPECT_EQ(substitute("${A B}").error().message,
            "${A B} does not name an environment variable: write $${ for a literal ${");
}

TEST_F(SubstituteTest, ACredentialIsAFileOfTheService) {
  setenv("CREDENTIALS_DIRECTORY", "/run/credentials/lsmtpd.service", 1);
  EXPECT_EQ(substitute("credential:broker").value(), "/run/credentials/lsmtpd.service/broker");
  EXPECT_EQ(substitute("a credential:broker").value(), "a credential:broker");
  for (const char* name : {"", "..", ".", "a/b", "a b", "a:b", "\xff"})
    EXPECT_THAT(substitute(std::string("credential:") + name).error().message,
                testing::EndsWith("does not name a credential"))
        << name;
  unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_EQ(substitute("credential:broker").error().message,
            "credential:broker is of the service only: CREDENTIALS_DIRECTORY is not set");
}

TEST_F(SubstituteTest, ProtectIsTheOtherWay) {
  for (const auto text : {"", "$", "${", "${X}", "$${X}", "$$${", "a$b{c}", "${${${"}) {
    EXPECT_EQ(substitute(protect(text)).value(), text);
  }
}

}  // namespace
}  // namespace lsmtpd::config
