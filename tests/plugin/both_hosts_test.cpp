// SPDX-License-Identifier: Apache-2.0
// The fake host of include/lsmtpd/testing.h gives the same answers as the daemon: one plugin calls
// every function of the ABI's host tables, on both.
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

const std::string kContent =
    "X-A: 1\r\nSubject: folded\r\n here\r\nno field\r\nx-a:\t2\r\n\r\nbody\r\n";

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

TEST(BothHostsTest, GiveTheSameAnswerForEveryFunction) {
  test::PluginHost daemon;
  auto mail = daemon.mail(kContent);
  mail.annotations =
      std::make_shared<message::Annotations>(message::Annotations{{"old.b", "2"}, {"old.a", "1"}});
  const auto in_daemon = daemon.filter(daemon.lane("f", "both_hosts_filter"), mail);
  EXPECT_EQ(in_daemon.verdict.kind, Kind::accept);

  lsmtpd_test* t = lsmtpd_test_new();
  ASSERT_EQ(lsmtpd_test_load(t, FIXTURES "/both_hosts_filter.so"), 0) << lsmtpd_test_errors(t);
  lsmtpd_test_memory_limit(t, 8 << 20);
  ASSERT_EQ(lsmtpd_test_start(t), 0) << lsmtpd_test_errors(t);
  lsmtpd_test_mail* given =
      lsmtpd_test_mail_new(t, "a@example.org", "b@example.org c@example.org", kContent.c_str());
  lsmtpd_test_mail_annotate(given, "old.b", "2");
  lsmtpd_test_mail_annotate(given, "old.a", "1");
  const lsmtpd_test_verdict* in_fake = lsmtpd_test_filter(t, given);
  EXPECT_EQ(in_fake->kind, LSMTPD_ACCEPT);

  const auto expected = lines(in_daemon.verdict.detail), actual = lines(in_fake->detail);
  EXPECT_GT(expected.size(), 100u);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(actual[i], expected[i]) << i;

  const lsmtpd_test_mail* next = lsmtpd_test_mail_edited(given);
  ASSERT_TRUE(in_daemon.message);
  EXPECT_EQ(lsmtpd_test_mail_content(next), test::content_of(*in_daemon.message));
  EXPECT_STREQ(lsmtpd_test_mail_annotation(next, "new"), "1");
  EXPECT_EQ(*in_daemon.message->annotations, (message::Annotations{{"new", "1"}, {"old.a", "1"}}));
  lsmtpd_test_settle(t);
  EXPECT_STREQ(lsmtpd_test_finish(t), "");
  lsmtpd_test_free(t);
}

}  // namespace
}  // namespace lsmtpd::plugin
