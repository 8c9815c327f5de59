// SPDX-License-Identifier: Apache-2.0
#include "dnsbl_fixture.hpp"

namespace filter_dnsbl {
namespace {

class Dnsbl : public DnsblFixture {};

TEST_F(Dnsbl, ListedClientIsRefusedWithTheListsText) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.4");
  lsmtpd_test_dns_text(t_, "7.113.0.203.bl.example", LSMTPD_DNS_TXT, 60,
                       "see\r\nhttps://bl.example");
  start();
  const auto* verdict = ask("203.0.113.7");
  EXPECT_EQ(verdict->kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict->code, 554u);
  EXPECT_STREQ(verdict->enhanced, "5.7.1");
  EXPECT_STREQ(verdict->text, "203.0.113.7 is listed by bl.example see  https://bl.example");
  EXPECT_STREQ(verdict->detail, "listed by bl.example, score 1");
  EXPECT_THAT(log(),
              HasSubstr("info the client is listed peer=203.0.113.7 lists=bl.example score=1"));
  EXPECT_EQ(ask("203.0.113.8")->kind, LSMTPD_CONTINUE);
}

TEST_F(Dnsbl, ClientOfVersion6IsAskedInNibblesAndKeptByItsNetwork) {
  list(0, "bl.example");
  a("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example", "127.0.0.2");
  start();
  EXPECT_EQ(ask("2001:db8:0:7::1")->kind, LSMTPD_REJECT);
  const uint32_t asked = t_->queries;
  EXPECT_EQ(ask("2001:db8:0:7:ffff::9")->kind, LSMTPD_REJECT) << "the same /64";
  EXPECT_EQ(t_->queries, asked + 1) << "its TXT only";
  EXPECT_EQ(ask("2001:db8:0:8::1")->kind, LSMTPD_CONTINUE);
}

TEST_F(Dnsbl, MappedAddressIsOfVersion4) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  start();
  EXPECT_EQ(ask("::ffff:203.0.113.7")->kind, LSMTPD_REJECT);
}

TEST_F(Dnsbl, OnlyAnswersOfListsCount) {
  list(0, "bl.example");
  option("lists[0].codes", "127.0.0.2-127.0.0.4");
  option("lists[0].codes", "127.0.1.0/24");
  a("1.113.0.203.bl.example", "192.0.2.1");
  a("2.113.0.203.bl.example", "127.0.0.10");
  a("3.113.0.203.bl.example", "127.0.1.200");
  a("4.113.0.203.bl.example", "127.0.0.10");
  a("4.113.0.203.bl.example", "127.0.0.3");
  start();
  EXPECT_EQ(ask("203.0.113.1")->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(ask("203.0.113.2")->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(ask("203.0.113.3")->kind, LSMTPD_REJECT);
  EXPECT_EQ(ask("203.0.113.4")->kind, LSMTPD_REJECT);
}

TEST_F(Dnsbl, WeightsAddUpToAThreshold) {
  list(0, "a.example");
  list(1, "b.example", "helo");
  list(2, "c.example", "sender");
  list(3, "white.example");
  option("lists[1].weight", "2");
  option("lists[2].weight", "3");
  option("lists[3].kind", "allow");
  option("lists[3].weight", "4");
  option("reject_at", "5");
  option("tempfail_at", "3");
  option("reply", "{subject} {list} {score}");
  a("7.113.0.203.a.example", "127.0.0.2");
  a("bad.example.b.example", "127.0.0.2");
  a("worse.example.c.example", "127.0.0.2");
  a("9.113.0.203.white.example", "127.0.0.2");
  a("9.113.0.203.a.example", "127.0.0.2");
  start();
  EXPECT_EQ(ask(mail("203.0.113.7"))->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(note("test.score"), "1");
  EXPECT_EQ(note("test.lists"), "a.example");
  const auto* later = ask(mail("203.0.113.7", "BAD.example."));
  EXPECT_EQ(later->kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(later->code, 450u);
  EXPECT_STREQ(later->text, "203.0.113.7 a.example 3");
  const auto* all = ask(mail("203.0.113.8", "bad.example", "x@Worse.Example"));
  EXPECT_EQ(all->kind, LSMTPD_REJECT);
  EXPECT_STREQ(all->text, "bad.example b.example 5");
  EXPECT_EQ(ask(mail("203.0.113.9", "bad.example", "x@worse.example"))->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(note("test.score"), "2");
}

TEST_F(Dnsbl, NamesThatNoListHasAreNotAsked) {
  list(0, "h.example", "helo");
  list(1, "s.example", "sender");
  start();
  const uint32_t asked = t_->queries;
  for (const char* helo : {"[203.0.113.7]", "localhost", "203.0.113.7", "a b.example", "", "a..b"})
    EXPECT_EQ(ask(mail("203.0.113.7", helo, ""))->kind, LSMTPD_CONTINUE) << helo;
  for (const char* sender : {"postmaster", "x@[203.0.113.7]", "x@localhost"})
    EXPECT_EQ(ask(mail("203.0.113.7", "", sender))->kind, LSMTPD_CONTINUE) << sender;
  EXPECT_EQ(t_->queries, asked);
}

TEST_F(Dnsbl, PrivateExemptAndAuthenticatedClientsAreSkipped) {
  list(0, "bl.example");
  option("exempt", "198.51.100.0/24");
  option("exempt", "2001:db8::/32");
  start();
  const uint32_t asked = t_->queries;
  for (const char* peer :
       {"127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1",
        "fe80::1", "fd00::1", "198.51.100.9", "2001:db8:1::1", "unknown"})
    EXPECT_EQ(ask(peer)->kind, LSMTPD_CONTINUE) << peer;
  auto* known = mail("203.0.113.7");
  known->auth.user = lsmtpd_test_str("joe");
  known->envelope.auth = &known->auth;
  EXPECT_EQ(ask(known)->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(t_->queries, asked);
}

TEST_F(Dnsbl, AnswersAreKeptAsLongAsTheirTtlSays) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2", 60);
  lsmtpd_test_dns_rcode(t_, "8.113.0.203.bl.example", 30, 3);
  option("reply", "listed");
  start();
  const auto asks = [&](const char* peer) {
    const uint32_t before = t_->queries;
    ask(peer);
    return t_->queries - before;
  };
  EXPECT_EQ(asks("203.0.113.7"), 1u);
  EXPECT_EQ(asks("203.0.113.8"), 1u);
  lsmtpd_test_advance(t_, 29'000);
  EXPECT_EQ(asks("203.0.113.7") + asks("203.0.113.8"), 0u);
  lsmtpd_test_advance(t_, 2'000);
  EXPECT_EQ(asks("203.0.113.7"), 0u);
  EXPECT_EQ(asks("203.0.113.8"), 1u);
  lsmtpd_test_advance(t_, 30'000);
  EXPECT_EQ(asks("203.0.113.7"), 1u);
}

TEST_F(Dnsbl, WorkersShareTheirAnswers) {
  t_->workers = 2;
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("reply", "listed");
  start();
  ASSERT_EQ(lsmtpd_test_open_lane(t_), 0);
  lsmtpd_test_use_lane(t_, 1);
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
  const uint32_t asked = t_->queries;
  lsmtpd_test_use_lane(t_, 0);
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
  EXPECT_EQ(t_->queries, asked);
}

TEST_F(Dnsbl, QuestionsOfOneClientAtATimeAreOne) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("reply", "listed");
  start();
  const uint32_t asked = t_->queries;
  t_->no_dns = 1;
  const auto one = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 1, mail("203.0.113.7"), 0);
  const auto two = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 2, mail("203.0.113.7"), 0);
  t_->no_dns = 0;
  EXPECT_EQ(lsmtpd_test_wait(t_, one)->kind, LSMTPD_REJECT);
  EXPECT_EQ(lsmtpd_test_wait(t_, two)->kind, LSMTPD_REJECT);
  EXPECT_EQ(t_->queries, asked + 1);
}

TEST_F(Dnsbl, AskedAtMailWhereThatIsConfigured) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("at", "mail");
  start();
  EXPECT_EQ(ask(mail("203.0.113.7"), LSMTPD_PHASE_RCPT), nullptr);
  EXPECT_EQ(ask(mail("203.0.113.7"), LSMTPD_PHASE_MAIL)->kind, LSMTPD_REJECT);
}

TEST_F(Dnsbl, DryRunRefusesNothingAndSaysSo) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("dry_run", "true");
  start();
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_CONTINUE);
  EXPECT_THAT(
      log(),
      HasSubstr("info would refuse peer=203.0.113.7 lists=bl.example score=1 verdict=reject"));
  EXPECT_EQ(note("test.score"), "1");
  EXPECT_EQ(decided("reject", "true"), 1);
}

TEST_F(Dnsbl, DecisionsAreCountedByVerdictButNoneOfClientsThatAreSkipped) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("exempt", "198.51.100.0/24");
  start();
  EXPECT_EQ(decided("reject"), 0) << "from the start";
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
  EXPECT_EQ(ask("203.0.113.8")->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(ask("198.51.100.1")->kind, LSMTPD_CONTINUE);
  EXPECT_EQ(decided("reject"), 1);
  EXPECT_EQ(decided("continue"), 1);
  EXPECT_EQ(decided("error"), 0);
}

TEST_F(Dnsbl, LinesOfListedClientsAreLimited) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  start();
  for (int i = 0; i < 50; ++i) ask("203.0.113.7");
  const std::string text = log();
  size_t lines = 0;
  for (size_t at = text.find("is listed"); at != text.npos; at = text.find("is listed", at + 1))
    ++lines;
  EXPECT_EQ(lines, 10u) << text;
  lsmtpd_test_advance(t_, 1000);
  ask("203.0.113.7");
  EXPECT_THAT(log(), HasSubstr("left_out=40"));
}

TEST_F(Dnsbl, SilentListDelaysAMailUpToTheTimeoutOnly) {
  list(0, "bl.example");
  option("timeout", "2s");
  start();
  t_->no_dns = 1;
  const auto call = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 1, mail("203.0.113.7"), 0);
  lsmtpd_test_advance(t_, 1'999);
  EXPECT_EQ(lsmtpd_test_answer(t_, call), nullptr);
  lsmtpd_test_advance(t_, 1);
  ASSERT_NE(lsmtpd_test_answer(t_, call), nullptr);
  EXPECT_EQ(lsmtpd_test_answer(t_, call)->kind, LSMTPD_CONTINUE);
}

TEST_F(Dnsbl, TimeoutEndsBeforeTheHostsDeadline) {
  list(0, "bl.example");
  option("timeout", "60s");  // the fake host waits 10 s
  start();
  t_->no_dns = 1;
  const auto call = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 1, mail("203.0.113.7"), 0);
  lsmtpd_test_advance(t_, 9'900);
  EXPECT_NE(lsmtpd_test_answer(t_, call), nullptr);
}

TEST_F(Dnsbl, FailureIsTempfailWhereThatIsConfiguredAndTheOthersDoNotDecide) {
  list(0, "a.example");
  list(1, "b.example");
  option("on_error", "tempfail");
  a("7.113.0.203.b.example", "127.0.0.2");
  lsmtpd_test_dns_rcode(t_, "7.113.0.203.a.example", 60, 2);
  lsmtpd_test_dns_rcode(t_, "8.113.0.203.a.example", 60, 2);
  start();
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
  const auto* verdict = ask("203.0.113.8");
  EXPECT_EQ(verdict->kind, LSMTPD_TEMPFAIL);
  EXPECT_STREQ(verdict->enhanced, "4.4.3");
}

TEST_F(Dnsbl, RefusedQuestionsAreAFailure) {
  list(0, "bl.example");
  option("on_error", "tempfail");
  start();
  t_->no_query = 1;
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_TEMPFAIL);
}

TEST_F(Dnsbl, CancelledCallIsAnsweredAndItsQuestionGoesOnForTheCache) {
  list(0, "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  option("reply", "listed");
  start();
  t_->no_dns = 1;
  const auto call = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 1, mail("203.0.113.7"), 0);
  lsmtpd_test_cancel(t_, call);
  EXPECT_NE(lsmtpd_test_answer(t_, call), nullptr);
  t_->no_dns = 0;
  lsmtpd_test_settle(t_);
  const uint32_t asked = t_->queries;
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
  EXPECT_EQ(t_->queries, asked);
}

TEST_F(Dnsbl, LaneClosesUnderOpenQuestions) {
  list(0, "bl.example");
  start();
  t_->no_dns = 1;
  const auto call = lsmtpd_test_ask_session(t_, LSMTPD_PHASE_RCPT, 1, mail("203.0.113.7"), 0);
  lsmtpd_test_close_lane(t_);
  EXPECT_EQ(lsmtpd_test_answer(t_, call)->kind, LSMTPD_CONTINUE);
}

}  // namespace
}  // namespace filter_dnsbl
