// SPDX-License-Identifier: Apache-2.0
// filter_dnsbl on the fake host: a list "bl.example" whose test points are right, unless a test
// says otherwise.
#pragma once

#include <gmock/gmock.h>
#include <lsmtpd/testing.h>

#include <string>

namespace filter_dnsbl {

using testing::HasSubstr;
using testing::Not;

class DnsblFixture : public testing::Test {
 protected:
  DnsblFixture() { lsmtpd_test_use(t_, &lsmtpd_entry); }
  ~DnsblFixture() override {
    EXPECT_STREQ(lsmtpd_test_finish(t_), "");
    lsmtpd_test_free(t_);
  }

  void option(const std::string& key, const std::string& value) {
    lsmtpd_test_option(t_, key.c_str(), value.c_str());
  }
  // List number `index` with test points that are right.
  void list(int index, const std::string& zone, const std::string& by = "address") {
    const std::string prefix = "lists[" + std::to_string(index) + "].";
    option(prefix + "zone", zone);
    option(prefix + "by", by);
    good_points(zone, by);
  }
  void good_points(const std::string& zone, const std::string& by = "address") {
    a((by == "address" ? "2.0.0.127." : "test.") + zone, "127.0.0.2");
  }
  void a(const std::string& name, const char* address, uint32_t ttl = 300) {
    lsmtpd_test_dns_address(t_, name.c_str(), ttl, address);
  }
  void start() {
    ASSERT_EQ(lsmtpd_test_start(t_), 0) << lsmtpd_test_errors(t_);
    lsmtpd_test_settle(t_);
  }
  lsmtpd_test_mail* mail(const char* peer, const char* helo = "client.example",
                         const char* sender = "a@sender.example") {
    auto* mail = lsmtpd_test_mail_new(t_, sender, "b@example.org", "");
    mail->envelope.peer_address = lsmtpd_test_str(peer);
    mail->envelope.helo = lsmtpd_test_str(helo);
    return mail;
  }
  const lsmtpd_test_verdict* ask(lsmtpd_test_mail* mail, uint32_t phase = LSMTPD_PHASE_RCPT) {
    return lsmtpd_test_session(t_, phase, 1, mail, 0);
  }
  const lsmtpd_test_verdict* ask(const char* peer) { return ask(mail(peer)); }
  double decided(const char* verdict, const char* dry_run = "false") {
    const std::string name =
        std::string("filter_decisions_total verdict=") + verdict + " dry_run=" + dry_run;
    return lsmtpd_test_metric(t_, name.c_str());
  }
  std::string log() const { return lsmtpd_test_log(t_); }
  std::string note(const char* key) {
    const char* text = lsmtpd_test_session_annotation(t_, 1, key);
    return text == nullptr ? "" : text;
  }

  lsmtpd_test* t_ = lsmtpd_test_new();
};

}  // namespace filter_dnsbl
