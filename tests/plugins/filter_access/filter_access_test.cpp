// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace {

using Options = std::initializer_list<std::pair<const char*, const char*>>;

class FilterAccess : public testing::Test {
 protected:
  FilterAccess() { lsmtpd_test_use(host_, &lsmtpd_entry); }
  ~FilterAccess() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void start(Options options) {
    for (const auto& [key, value] : options) lsmtpd_test_option(host_, key, value);
    ASSERT_EQ(lsmtpd_test_start(host_), 0) << lsmtpd_test_errors(host_);
  }
  std::string errors_of(Options options) {
    for (const auto& [key, value] : options) lsmtpd_test_option(host_, key, value);
    EXPECT_NE(lsmtpd_test_start(host_), 0);
    return lsmtpd_test_errors(host_);
  }
  // "continue", "accept", or the reply.
  std::string at(uint32_t phase) {
    const lsmtpd_test_verdict* verdict = lsmtpd_test_session(host_, phase, 1, mail_, 0);
    if (verdict == nullptr) return "not asked";
    return shown(*verdict);
  }
  static std::string shown(const lsmtpd_test_verdict& verdict) {
    if (verdict.kind == LSMTPD_CONTINUE) return "continue";
    if (verdict.kind == LSMTPD_ACCEPT) return "accept";
    const char* kind = verdict.kind == LSMTPD_REJECT ? "reject " : "tempfail ";
    return kind + std::to_string(verdict.code) + " " + verdict.enhanced + " " + verdict.text;
  }
  void from(const char* address, const char* helo = "client.example.org") {
    mail_->envelope.peer_address = lsmtpd_test_str(address);
    mail_->envelope.helo = lsmtpd_test_str(helo);
  }
  void mail(const char* sender, const char* recipients) {
    const lsmtpd_envelope before = mail_->envelope;
    mail_ = lsmtpd_test_mail_new(host_, sender, recipients, "Subject: x\r\n\r\nhi\r\n");
    mail_->envelope.peer_address = before.peer_address;
    mail_->envelope.helo = before.helo;
  }
  std::string write(const char* name, const std::string& text) {
    if (folder_.empty()) {
      char path[] = "/tmp/lsmtpd-access-XXXXXX";
      folder_ = mkdtemp(path);
    }
    const std::string path = folder_ + "/" + name;
    std::ofstream(path + ".tmp") << text;
    std::filesystem::rename(path + ".tmp", path);
    return path;
  }
  std::string log() { return lsmtpd_test_log(host_); }
  double decided(const char* verdict, const char* dry_run = "false") {
    const std::string name =
        std::string("filter_decisions_total verdict=") + verdict + " dry_run=" + dry_run;
    return lsmtpd_test_metric(host_, name.c_str());
  }
  size_t lines(const std::string& text) {
    size_t count = 0;
    for (size_t at = 0; (at = log().find(text, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  std::string folder_;
  lsmtpd_test* host_ = lsmtpd_test_new();
  lsmtpd_test_mail* mail_ =
      lsmtpd_test_mail_new(host_, "a@example.org", "b@example.com", "Subject: x\r\n\r\nhi\r\n");
};

TEST_F(FilterAccess, WithoutRulesEverythingGoesOnAndItWarns) {
  start({});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_STREQ(lsmtpd_test_warnings(host_), "rules: there are none, so everything goes on\n");
}

TEST_F(FilterAccess, ClientIsRefusedAtConnect) {
  start({{"rules[0].verdict", "reject 554 5.7.1 go away"}, {"rules[0].client", "192.0.2.0/24"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 554 5.7.1 go away");
  from("192.0.3.1");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
}

TEST_F(FilterAccess, LaterRuleWaitsForAnEarlierOneThatMayMatch) {
  start({{"rules[0].verdict", "accept"},
         {"rules[0].recipient", "postmaster@*"},
         {"rules[1].verdict", "reject no"},
         {"rules[1].client", "192.0.2.0/24"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_HELO), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "reject 0 5.7.1 no");
  mail("a@example.org", "b@example.com Postmaster@example.com");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "accept");
}

TEST_F(FilterAccess, RuleThatCannotMatchAnyMoreHoldsNothingUp) {
  start({{"rules[0].verdict", "accept"},
         {"rules[0].recipient", "postmaster@*"},
         {"rules[0].client", "198.51.100.0/24"},
         {"rules[1].verdict", "reject no"},
         {"rules[1].client", "192.0.2.0/24"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 0 5.7.1 no");
}

TEST_F(FilterAccess, AllConditionsOfARuleMustMatch) {
  start({{"rules[0].verdict", "tempfail later"},
         {"rules[0].sender", "*@example.org"},
         {"rules[0].helo", "*.example.org"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_HELO), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "tempfail 450 4.7.1 later");
  from("192.0.2.1", "client.example.net");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
}

TEST_F(FilterAccess, NullSenderIsAnEntry) {
  start({{"rules[0].verdict", "reject no bounces"}, {"rules[0].sender", "<>"}});
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  mail("", "b@example.com");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "reject 0 5.7.1 no bounces");
}

TEST_F(FilterAccess, ClearTextIsCertainAtMailOnly) {
  start({{"rules[0].verdict", "reject 530 5.7.0 Must issue a STARTTLS command first"},
         {"rules[0].tls", "none"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_HELO), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "reject 530 5.7.0 Must issue a STARTTLS command first");
  lsmtpd_test_mail_tls(mail_, "TLSv1.3", "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
}

TEST_F(FilterAccess, CertificateMustBeVerifiedWhereThatIsAskedFor) {
  start({{"rules[0].verdict", "accept"}, {"rules[0].tls", "verified"}});
  lsmtpd_test_mail_tls(mail_, "TLSv1.3", "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  mail_->tls.client_verified = 1;
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "accept");
}

TEST_F(FilterAccess, UsersAndLoginsAreConditions) {
  start({{"rules[0].verdict", "reject not you"},
         {"rules[0].user", "mallory"},
         {"rules[1].verdict", "accept"},
         {"rules[1].auth", "any"},
         {"rules[2].verdict", "reject log in first"},
         {"rules[2].auth", "none"},
         {"rules[2].listener", "mx"}});
  EXPECT_EQ(at(LSMTPD_PHASE_HELO), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "reject 0 5.7.1 log in first");
  lsmtpd_test_mail_auth(mail_, "ann", "PLAIN");
  EXPECT_EQ(at(LSMTPD_PHASE_AUTH), "accept");
  lsmtpd_test_mail_auth(mail_, "mallory", "PLAIN");
  EXPECT_EQ(at(LSMTPD_PHASE_AUTH), "reject 0 5.7.1 not you");
}

TEST_F(FilterAccess, ListenerIsKnownAtConnect) {
  start({{"rules[0].verdict", "reject closed"},
         {"rules[0].listener", "other"},
         {"rules[0].listener", "mx"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 0 5.7.1 closed");
}

TEST_F(FilterAccess, NameOfTheClientIsACondition) {
  start({{"rules[0].verdict", "reject no"}, {"rules[0].client_name", "*.dyn.example"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  mail_->envelope.peer_name = lsmtpd_test_str("A1.Dyn.example");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 0 5.7.1 no");
}

TEST_F(FilterAccess, AcceptSkipsWhatIsLeftOfAMessageWhereItHoldsForEachRecipient) {
  start({{"rules[0].verdict", "accept"}, {"rules[0].recipient", "*@example.com"}});
  mail("a@example.org", "b@example.com c@EXAMPLE.com");
  EXPECT_EQ(at(LSMTPD_PHASE_DATA), "accept");
  EXPECT_EQ(shown(*lsmtpd_test_filter(host_, mail_)), "accept");
  mail("a@example.org", "b@example.com c@example.net");
  EXPECT_EQ(at(LSMTPD_PHASE_DATA), "continue");
  EXPECT_EQ(shown(*lsmtpd_test_filter(host_, mail_)), "continue");
}

TEST_F(FilterAccess, AnnotationsOfAllRecipientsAreOnTheMessage) {
  start({{"rules[0].verdict", "annotate list=one"},
         {"rules[0].recipient", "b@example.com"},
         {"rules[1].verdict", "annotate list=two"},
         {"rules[1].recipient", "c@example.com"},
         {"rules[2].verdict", "reject never reached by those"},
         {"rules[2].recipient", "b@example.com"}});
  mail("a@example.org", "b@example.com c@example.com b@example.com d@example.com");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(shown(*lsmtpd_test_filter(host_, mail_)), "continue");
  EXPECT_STREQ(lsmtpd_test_mail_annotation(lsmtpd_test_mail_edited(mail_), "test.list"), "one,two");
}

TEST_F(FilterAccess, WithoutMemoryForAnAnnotationItTempfails) {
  start({{"rules[0].verdict", "annotate list=one"}, {"rules[0].sender", "*"}});
  host_->edits_to_fail = 1;
  EXPECT_EQ(shown(*lsmtpd_test_filter(host_, mail_)),
            "tempfail 452 4.3.1 Insufficient system storage, try again later");
}

TEST_F(FilterAccess, EntryOfAFileMayHaveItsOwnVerdict) {
  const std::string file =
      write("clients", "192.0.2.0/24\n192.0.2.7 continue\n192.0.2.8 tempfail 451 4.7.0 soon\n");
  start({{"rules[0].verdict", "reject no"},
         {"rules[0].client_file", file.c_str()},
         {"rules[1].verdict", "reject the next rule"},
         {"rules[1].client", "192.0.2.7"}});
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 0 5.7.1 no");
  from("192.0.2.7");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "reject 0 5.7.1 the next rule");
  from("192.0.2.8");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "tempfail 451 4.7.0 soon");
}

TEST_F(FilterAccess, ChangedFileCountsAfterTheNextLook) {
  const std::string file = write("senders", "example.net\n");
  start({{"rules[0].verdict", "reject no"}, {"rules[0].sender_file", file.c_str()}});
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  write("senders", "example.net\nexample.org\n");
  lsmtpd_test_advance(host_, 4999);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
  lsmtpd_test_advance(host_, 1);
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "reject 0 5.7.1 no");
  EXPECT_NE(log().find("read a changed list"), std::string::npos);
  write("senders", "not a verdict\n");
  lsmtpd_test_advance(host_, 5000);
  lsmtpd_test_advance(host_, 5000);
  EXPECT_EQ(lines("cannot read a changed list, so the old one stays"), 1u) << log();
  EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "reject 0 5.7.1 no");
}

TEST_F(FilterAccess, MistakesAreNamedByTheirPlace) {
  const std::string file = write("list", "a.example\n10.0.0.1/8\n");
  const std::string errors = errors_of({{"rules[0].verdict", "refuse"},
                                        {"rules[0].client", "10.0.0.1/8"},
                                        {"rules[1].verdict", "reject"},
                                        {"rules[1].sender", "j*e@example.org"},
                                        {"rules[1].recipient_file", file.c_str()},
                                        {"rules[1].helo_file", "/nonexistent/list"},
                                        {"rules[2].verdict", "reject"},
                                        {"rules[2].client", "example.org"}});
  EXPECT_NE(errors.find("rules[0].verdict: \"refuse\" is no verdict"), std::string::npos) << errors;
  EXPECT_NE(errors.find("rules[0].client: \"10.0.0.1/8\" has bits"), std::string::npos) << errors;
  EXPECT_NE(errors.find("rules[1].sender: \"j*e@example.org\""), std::string::npos) << errors;
  EXPECT_NE(errors.find("rules[1].recipient_file: " + file + ": line 2"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("rules[1].helo_file: /nonexistent/list: No such file"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("rules[2].client: 1 entry is none of networks"), std::string::npos)
      << errors;
}

TEST_F(FilterAccess, EntriesOfAFileForNothingAreAWarning) {
  const std::string file = write("list", "a.example\n10.0.0.0/8\n10.1.0.0/16\n");
  start({{"rules[0].verdict", "reject"}, {"rules[0].sender_file", file.c_str()}});
  EXPECT_NE(std::string(lsmtpd_test_warnings(host_))
                .find("2 entries are none of addresses or domains, and never matches"),
            std::string::npos);
}

TEST_F(FilterAccess, DryRunLogsEachRefusalOnceAndLetsEverythingGoOn) {
  start({{"dry_run", "true"},
         {"rules[0].verdict", "reject 550 5.7.1 no"},
         {"rules[0].client", "192.0.2.0/24"},
         {"rules[1].verdict", "accept"},
         {"rules[1].recipient", "*@example.com"},
         {"rules[2].verdict", "tempfail"},
         {"rules[2].recipient", "*@example.net"}});
  for (const uint32_t phase : {LSMTPD_PHASE_CONNECT, LSMTPD_PHASE_HELO, LSMTPD_PHASE_AUTH,
                               LSMTPD_PHASE_MAIL, LSMTPD_PHASE_RCPT, LSMTPD_PHASE_DATA})
    EXPECT_EQ(at(phase), "continue");
  EXPECT_EQ(lines("would refuse"), 1u) << log();
  EXPECT_NE(log().find("rule=rules[0]"), std::string::npos) << log();
  EXPECT_NE(log().find("code=550"), std::string::npos) << log();
  from("198.51.100.1");
  for (const uint32_t phase : {LSMTPD_PHASE_CONNECT, LSMTPD_PHASE_HELO, LSMTPD_PHASE_MAIL})
    EXPECT_EQ(at(phase), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  EXPECT_EQ(shown(*lsmtpd_test_filter(host_, mail_)), "continue");
  EXPECT_EQ(lines("would refuse"), 1u) << log();
  for (const char* recipients : {"b@example.net", "b@example.net c@example.net"}) {
    mail("a@example.org", recipients);
    EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "continue");
  }
  EXPECT_EQ(lines("would refuse"), 3u) << log();
  EXPECT_EQ(decided("reject", "true"), 1);
  EXPECT_EQ(decided("tempfail", "true"), 2);
  EXPECT_EQ(decided("accept", "true"), 1);
  EXPECT_EQ(decided("reject", "false"), -1) << "it has no such series";
}

TEST_F(FilterAccess, DecisionsAreCountedByVerdict) {
  start({{"rules[0].verdict", "reject"},
         {"rules[0].client", "192.0.2.0/24"},
         {"rules[1].verdict", "accept"},
         {"rules[1].recipient", "*@example.com"}});
  EXPECT_EQ(decided("reject"), 0) << "from the start";
  EXPECT_NE(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(decided("reject"), 1);
  from("198.51.100.1");
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(at(LSMTPD_PHASE_RCPT), "accept");
  at(LSMTPD_PHASE_DATA);
  lsmtpd_test_filter(host_, mail_);
  EXPECT_EQ(decided("continue"), 1);
  EXPECT_EQ(decided("accept"), 1) << "the recipient, not the message again";
  EXPECT_EQ(decided("tempfail"), 0);
}

TEST_F(FilterAccess, LinesOfADryRunAreLimited) {
  start({{"dry_run", "true"}, {"rules[0].verdict", "reject"}, {"rules[0].client", "192.0.2.0/24"}});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(lines("would refuse"), 10u) << log();
  lsmtpd_test_advance(host_, 1000);
  EXPECT_EQ(at(LSMTPD_PHASE_CONNECT), "continue");
  EXPECT_EQ(lines("left_out=40"), 1u) << log();
}

TEST_F(FilterAccess, ThreadsMayAskWhileAFileIsReadAgain) {
  const std::string file = write("senders", "example.net\n");
  host_->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  start({{"rules[0].verdict", "reject no"},
         {"rules[0].sender_file", file.c_str()},
         {"refresh", "1ms"}});
  lsmtpd_test_real_time(host_, 1);
  for (int i = 0; i < 200; ++i) {
    if (i % 20 == 0) write("senders", i % 40 == 0 ? "example.net\n" : "example.com\n");
    EXPECT_EQ(at(LSMTPD_PHASE_MAIL), "continue");
    lsmtpd_test_turn(host_, 1);
  }
}

}  // namespace
