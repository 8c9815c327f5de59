// SPDX-License-Identifier: Apache-2.0
// From statuses to outcomes, and the paths that templates may become.
#include <gtest/gtest.h>

#include "answer_outcome.hpp"
#include "target_path.hpp"

namespace lsmtpd::output_http {
namespace {

const std::set<long> kRefused = {406, 410, 413, 415, 422};

Verdict of(long status, std::int64_t retry_after = 0) {
  return outcome_of({status, retry_after, "no such thing\r\nmore"}, kRefused, false);
}

TEST(Status, Of200To299IsStored) {
  for (const long status : {200L, 201L, 202L, 204L, 299L})
    EXPECT_EQ(of(status).outcome.kind, sink::Kind::stored) << status;
}

TEST(Status, OfTheListIsRefusedForGood) {
  for (const long status : {406L, 410L, 415L, 422L}) {
    const Verdict verdict = of(status);
    EXPECT_EQ(verdict.outcome.kind, sink::Kind::rejected) << status;
    EXPECT_EQ(verdict.outcome.code, 554U) << status;
    EXPECT_EQ(verdict.cause, Cause::none) << status;
  }
  EXPECT_EQ(of(413).outcome.code, 552U);
  EXPECT_STREQ(of(413).outcome.enhanced, "5.3.4");
}

TEST(Status, OfConfigurationIsATempfailWithALine) {
  for (const long status : {101L, 301L, 302L, 307L, 400L, 401L, 403L, 404L, 405L, 411L, 451L}) {
    EXPECT_EQ(of(status).outcome.kind, sink::Kind::tempfail) << status;
    EXPECT_EQ(of(status).cause, Cause::configuration) << status;
    EXPECT_FALSE(of(status).outcome.in_doubt) << status;
  }
}

TEST(Status, OfTheServerIsATempfailThatPasses) {
  for (const long status : {408L, 425L, 429L, 500L, 502L, 503L, 504L, 507L, 599L}) {
    EXPECT_EQ(of(status).outcome.kind, sink::Kind::tempfail) << status;
    EXPECT_EQ(of(status).cause, Cause::server) << status;
  }
}

TEST(Status, ThatTheOptionListsIsRefusedToo) {
  EXPECT_EQ(outcome_of({404, 0, ""}, {404}, false).outcome.kind, sink::Kind::rejected);
}

TEST(RetryAfter, PausesForAnHourAtMost) {
  EXPECT_EQ(of(503).pause, 0);
  EXPECT_EQ(of(503, 30).pause, 30);
  EXPECT_EQ(of(429, 86'400).pause, 3600);
  EXPECT_EQ(of(422, 30).pause, 0) << "it was refused for good";
  EXPECT_EQ(of(200, 30).pause, 0);
}

TEST(RetryAfter, MakesTooLargeATempfailOfThisMessageOnly) {
  EXPECT_EQ(of(413, 30).outcome.kind, sink::Kind::tempfail);
  EXPECT_EQ(of(413, 30).pause, 0);
}

TEST(Text, IsRelayedOnlyWhereTheOptionSaysSo) {
  EXPECT_EQ(of(422).outcome.text, "Refused by the application");
  EXPECT_EQ(outcome_of({422, 0, "no such thing\r\nmore"}, kRefused, true).outcome.text,
            "no such thing");
  EXPECT_EQ(outcome_of({500, 0, "later"}, kRefused, true).outcome.text, "later");
}

TEST(Text, IsOneLineOfPrintableAsciiOf200Octets) {
  EXPECT_EQ(relayed(std::string(300, 'x')), std::string(200, 'x'));
  EXPECT_EQ(relayed("a\nb"), "a");
  for (const char* bad : {"caf\xc3\xa9", "a\tb", "\x1b[31m", "\x7f"}) EXPECT_EQ(relayed(bad), "");
  EXPECT_EQ(relayed(""), "");
}

TEST(Loss, IsInDoubtAndAnUnsentOneIsNot) {
  EXPECT_TRUE(lost("reset", false).in_doubt);
  EXPECT_FALSE(lost("reset", false).cause_passes);
  EXPECT_TRUE(lost("reset", true).cause_passes);
  EXPECT_FALSE(not_sent("refused").in_doubt);
}

TEST(Path, ThatLeavesItsPlaceIsFound) {
  for (const char* bad :
       {"/mail/..", "/mail/.", "/../x", "/mail/..%2Fadmin", "/mail/%22%2F..%2Fx%22",
        "/mail/%2e%2E/x", "/mail/..%5Cx", "/a/..;x=1/b", "/..?x=1"})
    EXPECT_TRUE(leaves_its_place(bad)) << bad;
  for (const char* good : {"/", "/mail", "/mail/a.b", "/mail/...", "/mail/..a", "/mail?x=../..",
                           "/mail/%2", "/mail/%zz"})
    EXPECT_FALSE(leaves_its_place(good)) << good;
}

}  // namespace
}  // namespace lsmtpd::output_http
