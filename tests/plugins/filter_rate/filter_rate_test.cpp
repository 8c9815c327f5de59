// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>

#include <string>

namespace {

using Options = std::initializer_list<std::pair<const char*, const char*>>;

class FilterRate : public testing::Test {
 protected:
  FilterRate() { lsmtpd_test_use(host_, &lsmtpd_entry); }
  ~FilterRate() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
  }
  void limit(int number, const char* per, const char* count, const char* rate, Options more = {}) {
    const std::string prefix = "limits[" + std::to_string(number) + "].";
    lsmtpd_test_option(host_, (prefix + "per").c_str(), per);
    lsmtpd_test_option(host_, (prefix + "count").c_str(), count);
    lsmtpd_test_option(host_, (prefix + "rate").c_str(), rate);
    for (const auto& [key, value] : more) lsmtpd_test_option(host_, (prefix + key).c_str(), value);
  }
  void start(Options options = {}) {
    for (const auto& [key, value] : options) lsmtpd_test_option(host_, key, value);
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
  }
  static std::string shown(const lsmtpd_test_verdict* verdict) {
    if (verdict == nullptr) return "not asked";
    if (verdict->kind == LSMTPD_CONTINUE) return "continue";
    const char* kind = verdict->kind == LSMTPD_REJECT ? "reject " : "tempfail ";
    return kind + std::to_string(verdict->code) + " " + verdict->enhanced + " " + verdict->text;
  }
  std::string at(uint32_t phase) { return shown(lsmtpd_test_session(host_, phase, 1, mail_, 0)); }
  // How often the phase is let through before it is refused.
  int passes(uint32_t phase, int most = 100) {
    int count = 0;
    while (count < most && at(phase) == "continue") ++count;
    return count;
  }
  void from(const char* address) { mail_->envelope.peer_address = lsmtpd_test_str(address); }
  void mail(const char* sender, const char* recipients, const std::string& content = "x\r\n") {
    const lsmtpd_envelope before = mail_->envelope;
    mail_ = lsmtpd_test_mail_bytes(host_, sender, recipients, content.data(), content.size());
    mail_->envelope.peer_address = before.peer_address;
  }
  std::string end() { return shown(lsmtpd_test_filter(host_, mail_)); }
  double decided(const char* verdict, const char* dry_run = "false") {
    const std::string name =
        std::string("filter_decisions_total verdict=") + verdict + " dry_run=" + dry_run;
    return lsmtpd_test_metric(host_, name.c_str());
  }
  size_t lines(const std::string& text) {
    const std::string log = lsmtpd_test_log(host_);
    size_t count = 0;
    for (size_t found = 0; (found = log.find(text, found)) != std::string::npos; ++found) ++count;
    return count;
  }

  lsmtpd_test* host_ = lsmtpd_test_new();
  lsmtpd_test_mail* mail_ = lsmtpd_test_mail_new(host_, "a@example.org", "b@example.com", "x\r\n");
};

TEST_F(FilterRate, ConnectionsOfAClientGet421AtConnect) {
  limit(0, "client", "connections", "2/1m");
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_CONNECT), 2);
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "tempfail 421 4.7.0 Too many connections, try again later");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL, 5), 5);
  from("192.0.2.2");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  from("192.0.2.1");
  lsmtpd_test_advance(host_, 30000);
  EXPECT_EQ(passes(LSMTPD_PHASE_CONNECT), 1);
}

TEST_F(FilterRate, ClientsArePrefixes) {
  limit(0, "client", "connections", "1/1h");
  start({{"client_prefix_v4", "24"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  for (const char* same : {"192.0.2.200", "::ffff:192.0.2.7"}) {
    from(same);
    EXPECT_NE(at(LSMTPD_PHASE_CONNECT), "continue") << same;
  }
  from("2001:db8:0:1::1");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  from("2001:db8:0:1:ffff::2");
  EXPECT_NE(at(LSMTPD_PHASE_CONNECT), "continue");
  from("2001:db8:0:2::1");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
}

TEST_F(FilterRate, MessagesOfASenderAreRefusedAtMailByAddressOrDomain) {
  limit(0, "sender", "messages", "3/1h");
  limit(1, "sender_domain", "messages", "5/1h");
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 3);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "tempfail 450 4.7.1 Rate limit exceeded, try again later");
  mail("A@EXAMPLE.org", "b@example.com");
  EXPECT_NE(at(LSMTPD_PHASE_MAIL), "continue");
  mail("other@example.org", "b@example.com");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 2);  // what the domain has left
  mail("other@example.net", "b@example.com");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
}

TEST_F(FilterRate, RefusedMessageIsCountedByNoLimit) {
  limit(0, "client", "messages", "10/1h");
  limit(1, "sender", "messages", "1/1h");
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 1);
  for (int i = 0; i < 50; ++i) EXPECT_NE(at(LSMTPD_PHASE_MAIL), "continue");
  int others = 0;
  for (int i = 0; i < 20; ++i) {
    mail(("s" + std::to_string(i) + "@example.org").c_str(), "b@example.com");
    others += at(LSMTPD_PHASE_MAIL) == "continue";
  }
  EXPECT_EQ(others, 9);
}

TEST_F(FilterRate, NullSenderHasNoBucket) {
  limit(0, "sender", "messages", "1/1h");
  limit(1, "sender_domain", "messages", "1/1h");
  start();
  mail("", "b@example.com");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL, 20), 20);
}

TEST_F(FilterRate, AuthenticatedUserIsCountedAsThatUserWhereverTheyAre) {
  limit(0, "client", "messages", "2/1h");
  limit(1, "user", "messages", "4/1h");
  start();
  lsmtpd_test_mail_auth(mail_, "ann", "PLAIN");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 4);
  from("198.51.100.1");
  EXPECT_NE(at(LSMTPD_PHASE_MAIL), "continue");
  lsmtpd_test_mail_auth(mail_, "bob", "PLAIN");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 4);
  lsmtpd_test_mail_auth(mail_, nullptr, nullptr);
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 2);
}

TEST_F(FilterRate, RecipientsAreCountedAtRcptForEachOwner) {
  limit(0, "client", "recipients", "6/1h");
  limit(1, "recipient", "recipients", "2/1h", {{"code", "550"}, {"text", "This mailbox is busy"}});
  limit(2, "recipient_domain", "recipients", "4/1h");
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL, 5), 5);
  EXPECT_EQ(passes(LSMTPD_PHASE_RCPT), 2);
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "reject 550 5.7.1 This mailbox is busy");
  mail("a@example.org", "b@example.com c@example.com");
  EXPECT_EQ(passes(LSMTPD_PHASE_RCPT), 2);
  mail("a@example.org", "b@example.com d@example.com");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "tempfail 450 4.7.1 Rate limit exceeded, try again later");
  mail("a@example.org", "d@example.net");
  EXPECT_EQ(passes(LSMTPD_PHASE_RCPT), 2);
}

TEST_F(FilterRate, BytesAreChargedWhenTheMessageIsThere) {
  limit(0, "sender", "bytes", "1KiB/1h");
  start();
  mail("a@example.org", "b@example.com", std::string(600, 'x'));
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  EXPECT_EQ(end(), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");  // 424 are left: the next one may be too large
  EXPECT_EQ(end(), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "tempfail 450 4.7.1 Rate limit exceeded, try again later");
  lsmtpd_test_advance(host_, 3600 * 1000 / 4);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
}

TEST_F(FilterRate, MessageCountsOnceForADomainWithSeveralRecipients) {
  limit(0, "recipient_domain", "messages", "2/1h");
  start();
  mail("a@example.org", "b@example.com c@example.com d@example.net");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
    EXPECT_EQ(end(), "continue");
  }
  EXPECT_NE(at(LSMTPD_PHASE_RCPT), "continue");
  mail("a@example.org", "b@example.com");
  EXPECT_NE(at(LSMTPD_PHASE_RCPT), "continue");
  mail("a@example.org", "b@example.org");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
}

TEST_F(FilterRate, BurstIsItsOwn) {
  limit(0, "client", "messages", "1/1s", {{"burst", "5"}});
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 5);
  lsmtpd_test_advance(host_, 2000);
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 2);
}

TEST_F(FilterRate, ExemptNetworksAreNotCounted) {
  limit(0, "client", "messages", "1/1h");
  start({{"exempt", "192.0.2.0/24"}, {"exempt", "2001:db8::/32"}});
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL, 10), 10);
  from("198.51.100.1");
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 1);
}

TEST_F(FilterRate, WorkersShareTheBuckets) {
  limit(0, "client", "messages", "3/1h");
  start();
  ASSERT_EQ(lsmtpd_test_open_lane(host_), 0);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  lsmtpd_test_use_lane(host_, 0);
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 2);
  lsmtpd_test_use_lane(host_, 1);
  EXPECT_NE(at(LSMTPD_PHASE_MAIL), "continue");
}

TEST_F(FilterRate, DryRunRefusesNothingAndLogsALineASecond) {
  limit(0, "client", "messages", "1/1h");
  start({{"dry_run", "true"}});
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL, 20), 20);
  EXPECT_EQ(lines("would limit"), 1u);
  lsmtpd_test_advance(host_, 1000);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  EXPECT_EQ(lines("would limit"), 2u);
  EXPECT_EQ(lines("left_out=18"), 1u);
  EXPECT_EQ(lines("limits[0]: 1/1h messages per client"), 2u);
  EXPECT_EQ(decided("tempfail", "true"), 20) << "each, not each line";
  EXPECT_EQ(decided("continue", "true"), 1);
}

TEST_F(FilterRate, DecisionsAreCountedByVerdict) {
  limit(0, "client", "messages", "1/1h");
  limit(1, "client", "connections", "1/1h", {{"code", "554"}});
  start();
  EXPECT_EQ(passes(LSMTPD_PHASE_MAIL), 1);
  at(LSMTPD_PHASE_CONNECT);
  at(LSMTPD_PHASE_CONNECT);
  EXPECT_EQ(decided("continue"), 2);
  EXPECT_EQ(decided("tempfail"), 1);
  EXPECT_EQ(decided("reject"), 1);
}

TEST_F(FilterRate, WithoutMemoryItDoesNotStart) {
  limit(0, "client", "messages", "1/1h");
  lsmtpd_test_memory_limit(host_, 1024);
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  EXPECT_NE(std::string(lsmtpd_test_errors(host_)).find("buckets: there is no memory"),
            std::string::npos);
}

TEST_F(FilterRate, MistakesAreNamedByTheirPlace) {
  limit(0, "sender", "connections", "1/1h");
  limit(1, "client", "messages", "many", {{"code", "250"}});
  limit(2, "client", "messages", "1/1h", {{"burst", "0"}});
  lsmtpd_test_option(host_, "exempt", "10.0.0.1/8");
  EXPECT_NE(lsmtpd_test_start(host_), 0);
  const std::string errors = lsmtpd_test_errors(host_);
  for (const char* part :
       {"limits[0].count: connections are counted per client only", "limits[1].rate: \"many\"",
        "limits[1].code: a refusal has a code", "limits[2].burst: it is a whole number",
        "exempt: \"10.0.0.1/8\" has bits behind its prefix"})
    EXPECT_NE(errors.find(part), std::string::npos) << part << " in " << errors;
}

}  // namespace
