// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

namespace {

TEST(OutputNull, AcceptsEverythingAndWarnsAtStart) {
  lsmtpd_test* host = lsmtpd_test_new();
  lsmtpd_test_use(host, &lsmtpd_entry);
  ASSERT_EQ(lsmtpd_test_start(host), 0) << lsmtpd_test_errors(host);
  EXPECT_EQ(std::string(lsmtpd_test_log(host)).rfind("warn this output keeps nothing", 0), 0u);
  EXPECT_EQ(lsmtpd_test_extension(host, LSMTPD_ADMISSION), nullptr);

  lsmtpd_test_mail* mail = lsmtpd_test_mail_new(host, "", "b@example.org", "x\r\n");
  const lsmtpd_test_verdict* verdict = lsmtpd_test_deliver(host, mail);
  EXPECT_EQ(verdict->kind, LSMTPD_STORED);
  EXPECT_STREQ(verdict->detail, "nowhere");

  EXPECT_STREQ(lsmtpd_test_finish(host), "");
  lsmtpd_test_free(host);
}

}  // namespace
