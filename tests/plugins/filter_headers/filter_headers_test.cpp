// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

namespace {

class FilterHeaders : public testing::Test {
 protected:
  FilterHeaders() { lsmtpd_test_use(host_, &lsmtpd_entry); }
  ~FilterHeaders() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
  }
  void start(std::initializer_list<std::pair<const char*, const char*>> options) {
    for (const auto& [key, value] : options) lsmtpd_test_option(host_, key, value);
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
  }
  std::string filtered() {
    EXPECT_EQ(lsmtpd_test_filter(host_, mail_)->kind, LSMTPD_CONTINUE);
    return lsmtpd_test_mail_content(lsmtpd_test_mail_edited(mail_));
  }

  lsmtpd_test* host_ = lsmtpd_test_new();
  lsmtpd_test_mail* mail_ =
      lsmtpd_test_mail_new(host_, "a@example.org", "b@example.org", "Subject: x\r\n\r\nhi\r\n");
};

TEST_F(FilterHeaders, ChangesNothingByDefaultAndWarns) {
  start({});
  EXPECT_EQ(filtered(), "Subject: x\r\n\r\nhi\r\n");
  EXPECT_STREQ(lsmtpd_test_warnings(host_), "adds nothing: set received, return_path or add\n");
}

TEST_F(FilterHeaders, PutsReturnPathThenReceivedThenOwnFieldsFirst) {
  start({{"received", "true"},
         {"return_path", "true"},
         {"add", "X-Peer=client {peer_address} by {listener}"}});
  EXPECT_EQ(filtered(),
            "Return-Path: <a@example.org>\r\n"
            "Received: from client.example.org ([192.0.2.1])\r\n"
            "\tby mx.example.org with ESMTP\r\n"
            "\tid 00000000-0000-4000-8000-000000000001\r\n"
            "\tfor <b@example.org>;\r\n"
            "\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
            "X-Peer: client 192.0.2.1 by mx\r\n"
            "Subject: x\r\n\r\nhi\r\n");
}

TEST_F(FilterHeaders, HostileHeloStaysInsideItsField) {
  mail_->envelope.helo = lsmtpd_test_str("x\r\nBcc: victim@example.org");
  start({{"add", "X-Helo={helo}"}});
  EXPECT_EQ(filtered(), "X-Helo: x??Bcc: victim@example.org\r\nSubject: x\r\n\r\nhi\r\n");
}

TEST_F(FilterHeaders, ChecksNamesAndPlaceholders) {
  lsmtpd_test_option(host_, "add", "X Foo=bar");
  lsmtpd_test_option(host_, "add", "X-Bar={nothing}");
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  const std::string errors = lsmtpd_test_errors(host_);
  EXPECT_NE(errors.find("add: \"X Foo\" is no name of a header field"), std::string::npos);
  EXPECT_NE(errors.find("add: X-Bar: unknown placeholder {nothing}"), std::string::npos);
}

TEST_F(FilterHeaders, TempfailsWithoutMemory) {
  start({{"received", "true"}});
  host_->edits_to_fail = 1;
  EXPECT_EQ(lsmtpd_test_filter(host_, mail_)->kind, LSMTPD_TEMPFAIL);
}

}  // namespace
