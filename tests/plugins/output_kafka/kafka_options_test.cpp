// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

#include "kafka_options.hpp"

namespace lsmtpd::kafka {
namespace {

using testing::HasSubstr;

class KafkaOptions : public testing::Test {
 protected:
  KafkaOptions() { lsmtpd_test_use(t_, &lsmtpd_entry); }
  ~KafkaOptions() override {
    EXPECT_STREQ(lsmtpd_test_finish(t_), "");
    lsmtpd_test_free(t_);
  }
  void option(const char* key, const std::string& value) {
    lsmtpd_test_option(t_, key, value.c_str());
  }
  std::string checked() {
    lsmtpd_test_validate_options(t_);
    return lsmtpd_test_errors(t_);
  }
  void good() {
    option("brokers", "kafka.example.org");
    option("topic", "mail");
  }
  lsmtpd_test* t_ = lsmtpd_test_new();
};

TEST_F(KafkaOptions, BrokersAreHostsWithOrWithoutAPort) {
  option("brokers", "kafka-1.example.org");
  option("brokers", "127.0.0.1:19092");
  option("brokers", "[::1]:9092");
  option("brokers", "[::1]");
  option("topic", "mail");
  EXPECT_EQ(checked(), "");
}
TEST_F(KafkaOptions, BrokersHaveNoSchemeNoUserAndNoListInThem) {
  for (const char* bad : {"kafka://a:9092", "a:0", "a:x", "a:9092,b:9092", "[::1", "::1", ""})
    option("brokers", bad);
  option("brokers", "joe:secret@a:9092");
  option("topic", "mail");
  const std::string said = checked();
  for (const char* bad : {"kafka://a:9092", "a:0", "a:x", "a:9092,b:9092", "[::1", "::1"})
    EXPECT_THAT(said, HasSubstr("\"" + std::string(bad) + "\" is no host:port"));
  EXPECT_THAT(said, testing::Not(HasSubstr("secret")));
}
TEST_F(KafkaOptions, TopicIsAName) {
  option("brokers", "a");
  option("topic", "mail/in");
  EXPECT_THAT(checked(), HasSubstr("topic: is no name of a topic"));
}
TEST_F(KafkaOptions, TopicAndKeyMayHavePlaceholders) {
  option("brokers", "a");
  option("topic", "mail-{rcpt_domain}");
  option("key", "{rcpt}");
  EXPECT_EQ(checked(), "");
}
TEST_F(KafkaOptions, PlaceholdersAreKnown) {
  good();
  option("key", "{rcpts}");
  EXPECT_THAT(checked(), HasSubstr("{rcpts} is not known"));
}
TEST_F(KafkaOptions, SaslNeedsAUser) {
  good();
  option("sasl", "PLAIN");
  EXPECT_THAT(checked(), HasSubstr("username: missing"));
}
TEST_F(KafkaOptions, PasswordNeedsAUser) {
  good();
  option("password", "x");
  EXPECT_THAT(checked(), HasSubstr("username: missing"));
}
TEST_F(KafkaOptions, PasswordInClearTextIsWarnedOf) {
  good();
  option("username", "joe");
  option("password", "x");
  EXPECT_EQ(checked(), "");
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("crosses the network in clear text"));
}
TEST_F(KafkaOptions, TlsIsSwitchedOnWhereItHasOptions) {
  good();
  option("tls_ca", "/etc/ssl/certs");
  EXPECT_THAT(checked(), HasSubstr("tls: is false, and there are options of TLS"));
}

}  // namespace
}  // namespace lsmtpd::kafka
