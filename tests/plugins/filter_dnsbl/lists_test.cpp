// SPDX-License-Identifier: Apache-2.0
// When lists are asked: their test points, errors, failures, secret zones; and wrong options.
#include <unistd.h>

#include <fstream>

#include "dnsbl_fixture.hpp"

namespace filter_dnsbl {
namespace {

class DnsblLists : public DnsblFixture {
 protected:
  std::string errors() {
    lsmtpd_test_validate_options(t_);
    return lsmtpd_test_errors(t_);
  }
};

constexpr uint64_t kHour = 3'600'000;

TEST_F(DnsblLists, ListWhoseTestPointIsMissingIsOffUntilTheNextTest) {
  option("lists[0].zone", "bl.example");
  a("7.113.0.203.bl.example", "127.0.0.2");
  start();
  EXPECT_THAT(log(), HasSubstr("warn the list is not asked, as its test points are wrong "
                               "list=bl.example reason=127.0.0.2 is not listed again_in_s=3600"));
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_CONTINUE);
  good_points("bl.example");
  lsmtpd_test_advance(t_, kHour);
  EXPECT_THAT(log(), HasSubstr("info the list is asked list=bl.example"));
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
}

TEST_F(DnsblLists, ListThatListsEverythingIsOff) {
  list(0, "bl.example");
  a("1.0.0.127.bl.example", "127.0.0.2");
  a("7.113.0.203.bl.example", "127.0.0.2");
  start();
  EXPECT_THAT(log(), HasSubstr("reason=127.0.0.1 is listed"));
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_CONTINUE);
}

TEST_F(DnsblLists, ListThatGoesWrongLaterIsSwitchedOffAndOnce) {
  list(0, "bl.example");
  start();
  lsmtpd_test_dns_clear(t_);
  lsmtpd_test_advance(t_, kHour);
  lsmtpd_test_advance(t_, kHour);
  const std::string all = log();
  const auto at = all.find("127.0.0.2 is not listed");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(all.find("127.0.0.2 is not listed", at + 1), std::string::npos);
}

TEST_F(DnsblLists, ListOfVersion6AloneHasTheMappedPoints) {
  option("lists[0].zone", "v6.example");
  a("2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.v6.example", "127.0.0.2");
  start();
  EXPECT_THAT(log(), HasSubstr("info the list is asked list=v6.example"));
}

TEST_F(DnsblLists, ListOfDomainsHasItsOwnPoints) {
  option("lists[0].zone", "d.example");
  option("lists[0].by", "sender");
  start();
  EXPECT_THAT(log(), HasSubstr("TEST is not listed"));
  good_points("d.example", "sender");
  a("invalid.d.example", "127.0.0.2");
  lsmtpd_test_advance(t_, kHour);
  EXPECT_THAT(log(), Not(HasSubstr("the list is asked")));
}

TEST_F(DnsblLists, WithoutATestTheListIsAskedAtOnce) {
  option("lists[0].zone", "bl.example");
  option("lists[0].test", "false");
  a("7.113.0.203.bl.example", "127.0.0.2");
  start();
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_REJECT);
}

TEST_F(DnsblLists, ErrorOfTheListListsNobodyAndSwitchesItOffForAnHour) {
  list(0, "bl.example");
  option("on_error", "tempfail");
  a("7.113.0.203.bl.example", "127.255.255.254");
  a("7.113.0.203.bl.example", "127.0.0.2");
  a("8.113.0.203.bl.example", "127.0.0.2");
  start();
  EXPECT_EQ(ask("203.0.113.7")->kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(log(), HasSubstr("warn the list answers with an error and is not asked for an hour "
                               "list=bl.example code=127.255.255.254"));
  EXPECT_EQ(ask("203.0.113.8")->kind, LSMTPD_CONTINUE);
  lsmtpd_test_advance(t_, kHour + 1000);
  EXPECT_EQ(ask("203.0.113.8")->kind, LSMTPD_REJECT);
}

TEST_F(DnsblLists, ListThatDoesNotAnswerIsNotAskedForAMinute) {
  list(0, "bl.example");
  for (int i = 0; i < 9; ++i)
    lsmtpd_test_dns_rcode(t_, (std::to_string(i) + ".113.0.203.bl.example").c_str(), 60, 2);
  start();
  for (int i = 0; i < 5; ++i) ask(("203.0.113." + std::to_string(i)).c_str());
  EXPECT_THAT(log(), HasSubstr("warn the list does not answer and is not asked for a minute "
                               "list=bl.example reason=SERVFAIL"));
  const uint32_t asked = t_->queries;
  ask("203.0.113.5");
  EXPECT_EQ(t_->queries, asked);
  lsmtpd_test_advance(t_, 61'000);
  ask("203.0.113.5");
  EXPECT_EQ(t_->queries, asked + 1);
}

TEST_F(DnsblLists, TestPointThatNobodyAnswersIsAskedAgainAfterAMinute) {
  t_->no_dns = 1;
  list(0, "bl.example");
  start();
  lsmtpd_test_advance(t_, 10'000);
  EXPECT_THAT(log(), HasSubstr("reason=no answer: no server answered in time again_in_s=60"));
  t_->no_dns = 0;
  lsmtpd_test_advance(t_, 60'000);
  EXPECT_THAT(log(), HasSubstr("the list is asked"));
}

TEST_F(DnsblLists, SecretOfAZoneIsSeenNowhere) {
  const std::string file = testing::TempDir() + "zone_" + std::to_string(::getpid());
  std::ofstream(file) << "S3cretkey.zen.example\n";
  option("lists[0].zone_file", file);
  option("lists[0].name", "zen");
  good_points("s3cretkey.zen.example");
  a("7.113.0.203.s3cretkey.zen.example", "127.0.0.2");
  lsmtpd_test_dns_text(t_, "7.113.0.203.s3cretkey.zen.example", LSMTPD_DNS_TXT, 60,
                       "7.113.0.203.S3CRETKEY.zen.example key=s3cretkey");
  start();
  const auto* verdict = ask("203.0.113.7");
  EXPECT_STREQ(verdict->text, "203.0.113.7 is listed by zen 7.113.0.203.zen key=***");
  EXPECT_STREQ(verdict->detail, "listed by zen, score 1");
  EXPECT_EQ(note("test.lists"), "");
  EXPECT_THAT(log(), Not(HasSubstr("3cret")));
  ::unlink(file.c_str());
}

TEST_F(DnsblLists, ZoneFileThatIsMissingOrWrongStopsTheStart) {
  option("lists[0].zone_file", "/nonexistent/zone");
  option("lists[0].name", "zen");
  EXPECT_EQ(errors(), "") << "a check has no side effects";
  EXPECT_NE(lsmtpd_test_start(t_), 0);
  EXPECT_THAT(lsmtpd_test_errors(t_),
              HasSubstr("lists[0].zone_file: cannot read /nonexistent/zone"));
}

TEST_F(DnsblLists, WrongOptionsAreNamed) {
  option("lists[0].zone", "bl example");
  option("lists[0].codes", "127.0.0.2-");
  option("lists[0].codes", "192.0.2.1");
  option("lists[0].codes", "127.255.255.1");
  option("lists[1].by", "helo");
  option("lists[2].zone_file", "x");
  option("lists[3].zone", "a.example");
  option("lists[4].zone", "A.example.");
  option("exempt", "192.0.2.1/24");
  option("reply", "{who}");
  option("tempfail_at", "1");
  const std::string said = errors();
  for (const char* part :
       {"lists[0].zone: is no domain", "lists[0].codes: \"127.0.0.2-\" is no code",
        "\"192.0.2.1\" is not in 127.0.0.0/8", "\"127.255.255.1\" has errors of lists",
        "lists[1].zone: a list has either zone or zone_file",
        "lists[2].name: a list with zone_file", "two lists are called \"a.example\"",
        "exempt: \"192.0.2.1/24\" has bits behind", "reply: there is no {who}",
        "tempfail_at: is not below reject_at"})
    EXPECT_THAT(said, HasSubstr(part));
}

TEST_F(DnsblLists, NoListIsAWarning) {
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(lsmtpd_test_warnings(t_), HasSubstr("lists: asks no list"));
}

}  // namespace
}  // namespace filter_dnsbl
