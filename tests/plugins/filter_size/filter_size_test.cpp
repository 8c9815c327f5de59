// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

namespace {

class FilterSize : public testing::Test {
 protected:
  FilterSize() { lsmtpd_test_use(host_, &lsmtpd_entry); }
  ~FilterSize() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
  }
  void start(const char* max) {
    if (max != nullptr) lsmtpd_test_option(host_, "max", max);
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
  }
  const lsmtpd_test_verdict* filter(size_t size) {
    const std::string content(size, 'x');
    return lsmtpd_test_filter(host_, lsmtpd_test_mail_bytes(host_, "a@example.org", "b@example.org",
                                                            content.data(), size));
  }

  lsmtpd_test* host_ = lsmtpd_test_new();
};

TEST_F(FilterSize, PublishesItsLimitForEhlo) {
  start("1KiB");
  const lsmtpd_admission admission = lsmtpd_test_admission(host_);
  EXPECT_EQ(admission.ready, 1u);
  EXPECT_EQ(admission.max_message_size, 1024u);
}

TEST_F(FilterSize, LimitIs10MiBByDefault) {
  start(nullptr);
  EXPECT_EQ(lsmtpd_test_admission(host_).max_message_size, 10u * 1024 * 1024);
}

TEST_F(FilterSize, MessageOfExactlyTheLimitPasses) {
  start("1000");
  EXPECT_EQ(filter(1000)->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(filter(0)->kind, LSMTPD_CONTINUE);
}

TEST_F(FilterSize, MessageOneOctetOverTheLimitIsRefusedWith552) {
  start("1000");
  const lsmtpd_test_verdict* verdict = filter(1001);
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict->code, 552u);
  EXPECT_STREQ(verdict->enhanced, "5.3.4");
  EXPECT_STREQ(verdict->detail, "size 1001, max 1000");
}

TEST_F(FilterSize, SpilledMessageIsJudgedWithoutReadingIt) {
  start("4");
  lsmtpd_test_mail* mail = lsmtpd_test_mail_new(host_, "a@example.org", "b@example.org", "12345");
  lsmtpd_test_mail_spill(mail);
  EXPECT_EQ(lsmtpd_test_filter(host_, mail)->kind, LSMTPD_REJECT);
}

TEST_F(FilterSize, ZeroAndNonsenseAreNoLimits) {
  lsmtpd_test_option(host_, "max", "0");
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  EXPECT_NE(std::string(lsmtpd_test_errors(host_)).find("max: 0 is not between 1"),
            std::string::npos);
}

}  // namespace
