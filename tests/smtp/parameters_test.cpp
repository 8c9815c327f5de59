// SPDX-License-Identifier: Apache-2.0
#include "smtp/parameters.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lsmtpd::smtp {
namespace {

TEST(MailParameters, ReadsValues) {
  MailParameters parameters;
  EXPECT_EQ(
      parse_mail_parameters(" SIZE=1000 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb", parameters),
      ParameterFault::none);
  EXPECT_EQ(parameters.size, 1000U);
  EXPECT_TRUE(parameters.binary);
  EXPECT_TRUE(parameters.smtputf8);
  EXPECT_EQ(
      parse_mail_parameters("  size=18446744073709551615   body=8bitmime ret=full ", parameters),
      ParameterFault::none);
  EXPECT_EQ(parameters.size, 18446744073709551615U);
  EXPECT_FALSE(parameters.binary);
  EXPECT_FALSE(parameters.smtputf8);
}

TEST(MailParameters, AllowsNone) {
  MailParameters parameters;
  EXPECT_EQ(parse_mail_parameters("", parameters), ParameterFault::none);
  EXPECT_EQ(parse_mail_parameters("   ", parameters), ParameterFault::none);
  EXPECT_EQ(parameters.size, 0U);
}

TEST(MailParameters, RefusesBadValues) {
  MailParameters parameters;
  for (const std::string_view text : {"SIZE",
                                      "SIZE=",
                                      "SIZE=-1",
                                      "SIZE=+1",
                                      "SIZE=1x",
                                      "SIZE=0x10",
                                      "SIZE= 1",
                                      "SIZE=000000000000000000001",
                                      "SIZE=1 size=2",
                                      "BODY",
                                      "BODY=",
                                      "BODY=7BITS",
                                      "BODY=7BIT BODY=7BIT",
                                      "SMTPUTF8=",
                                      "SMTPUTF8=1",
                                      "RET",
                                      "RET=",
                                      "RET=BODY",
                                      "ENVID",
                                      "ENVID=",
                                      "ENVID=a+b",
                                      "ENVID=a+2",
                                      "ENVID=a=b",
                                      "=",
                                      "=1",
                                      "-X=1",
                                      "X_Y=1",
                                      "<x>"}) {
    EXPECT_EQ(parse_mail_parameters(text, parameters), ParameterFault::syntax) << text;
  }
  EXPECT_EQ(parse_mail_parameters("ENVID=" + std::string(100, 'x'), parameters),
            ParameterFault::none);
  EXPECT_EQ(parse_mail_parameters("ENVID=" + std::string(101, 'x'), parameters),
            ParameterFault::syntax);
}

TEST(MailParameters, DoesNotKnowWhatIsNotOffered) {
  MailParameters parameters;
  for (const std::string_view text :
       {"FOO", "FOO=bar", "SIZES=1", "SIZE=1 AUTH=<>", "NOTIFY=NEVER", "ORCPT=rfc822;a",
        "HOLDFOR=1", "REQUIRETLS", "X-FOO=1", "MT-PRIORITY=1", "BY=1;R"}) {
    EXPECT_EQ(parse_mail_parameters(text, parameters), ParameterFault::unknown) << text;
  }
}

TEST(RcptParameters, ReadsDsn) {
  for (const std::string_view text :
       {"NOTIFY=NEVER", "notify=success,failure,delay", "NOTIFY=DELAY", "ORCPT=rfc822;a@b",
        "NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@c", "ORCPT=x400;/C=", "ORCPT=utf-8;a\\x{C3}b@c"}) {
    const auto expected = text == "ORCPT=x400;/C=" ? ParameterFault::syntax
                                                   : ParameterFault::none;  // '=' must be +3D
    EXPECT_EQ(parse_rcpt_parameters(text, false), expected) << text;
  }
}

TEST(RcptParameters, RefusesBadValues) {
  for (const std::string_view text :
       {"NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,",
        "NOTIFY=,SUCCESS", "NOTIFY=SUCCESS,SUCCESS", "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT",
        "ORCPT=", "ORCPT=a@b", "ORCPT=;a@b", "ORCPT=rfc822;a+b", "ORCPT=r+c;a"}) {
    EXPECT_EQ(parse_rcpt_parameters(text, false), ParameterFault::syntax) << text;
  }
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=rfc822;" + std::string(500, 'x'), false),
            ParameterFault::syntax);
  EXPECT_EQ(parse_rcpt_parameters("SIZE=1", false), ParameterFault::unknown);
}

TEST(RcptParameters, TakesUtf8InOrcptWithSmtputf8Only) {
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=utf-8;\xc3\xa4@b", true), ParameterFault::none);
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=utf-8;\xc3\xa4@b", false), ParameterFault::syntax);
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=rfc822;\xc3\xa4@b", true), ParameterFault::syntax);
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=utf-8;\xc3@b", true), ParameterFault::syntax);
  EXPECT_EQ(parse_rcpt_parameters("ORCPT=utf-8;a=b", true), ParameterFault::syntax);
}

}  // namespace
}  // namespace lsmtpd::smtp
