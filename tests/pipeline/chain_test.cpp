// SPDX-License-Identifier: Apache-2.0
// Filters: the reply table, edits, policies, the deadlines.
#include <gtest/gtest.h>

#include "chain_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using config::OnFailure;
using test::ChainHost;
using test::kQueued;
using test::on_loop;
using test::Record;
using test::Settings;

class ChainTest : public testing::Test {
 protected:
  ChainTest() {
    t_.output(t_.entry("out", "test_output", {{"record", record_.file()}, {"content", "true"}}));
  }
  std::string reply_with(const std::string& mode, Settings more = {}) {
    auto entry = t_.entry("f", "bad_filter", more);
    entry.options["mode"] = {{mode, {}}, {}};
    t_.filter(std::move(entry));
    t_.start();
    return t_.reply();
  }
  // A filter that never answers, or throws, under a policy.
  std::string reply_under(const char* mode, OnFailure on_timeout, OnFailure on_error) {
    auto entry = t_.entry("f", "bad_filter", {{"mode", mode}});
    entry.on_timeout = on_timeout;
    entry.on_error = on_error;
    t_.filter(std::move(entry));
    t_.start();
    t_.advance(10'000);
    return t_.reply();
  }
  Record record_{"chain"};
  ChainHost t_;
};

TEST_F(ChainTest, StoredIsQueued) {
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(t_.outcome().fate, Fate::stored);
  EXPECT_EQ(
      record_.lines()[0],
      "deliver 11111111-2222-4333-8444-555555555555 target= replay=0 size=21 from=<a@example.org> "
      "to=<b@example.org> to=<c@example.org>");
}

TEST_F(ChainTest, ContinueGoesOn) {
  EXPECT_EQ(reply_with("continue"), kQueued);
}

TEST_F(ChainTest, RejectIs554OrWhatTheFilterSays) {
  EXPECT_EQ(reply_with("reject"), "554 5.7.1 Message refused");
  EXPECT_EQ(t_.outcome().fate, Fate::rejected);
  EXPECT_EQ(t_.outcome().detail, "f: bad_filter");
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ChainTest, RejectTakesTheFiltersOwnReply) {
  EXPECT_EQ(reply_with("reject", {{"code", "550"}, {"enhanced", "5.6.0"}, {"text", "a virus"}}),
            "550 5.6.0 a virus");
}

TEST_F(ChainTest, TempfailIs451) {
  EXPECT_EQ(reply_with("tempfail"), "451 4.7.1 Try again later");
  EXPECT_EQ(t_.outcome().fate, Fate::tempfail);
}

TEST_F(ChainTest, DiscardLooksLikeStoredButTheFateSaysSo) {
  EXPECT_EQ(reply_with("discard"), kQueued);
  EXPECT_EQ(t_.outcome().fate, Fate::discarded);
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ChainTest, VerdictsThatMakeNoSenseMeanTempfail) {
  EXPECT_EQ(reply_with("stored"), "451 4.7.1 Try again later");
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ChainTest, AnUnknownVerdictMeansTempfail) {
  EXPECT_EQ(reply_with("unknown_kind"), "451 4.7.1 Try again later");
}

TEST_F(ChainTest, AReplyIsOfCleanLines) {
  EXPECT_EQ(reply_with("crlf"), "550 5.7.1 no\n250 2.0.0 Ok\n???");
}

TEST_F(ChainTest, LaterAnswersAndThoseOfOtherThreadsCount) {
  t_.filter(t_.entry("slow", "bad_filter", {{"mode", "slow"}, {"delay", "2ms"}}));
  EXPECT_EQ(reply_with("thread"), kQueued);
}

TEST_F(ChainTest, EachFilterSeesTheEditsOfThoseBefore) {
  t_.filter(t_.entry("first", "bad_filter", {{"mode", "edits"}}));
  t_.filter(t_.entry("second", "bad_filter", {{"mode", "edits_too_late"}}));
  EXPECT_EQ(reply_with("reads"), kQueued);
  EXPECT_EQ(
      record_.lines()[0],
      "deliver 11111111-2222-4333-8444-555555555555 target= replay=0 size=66 from=<a@example.org> "
      "to=<c@example.org> to=<added@example.org> bad_filter.bytes=66 bad_filter.note=edited");
  EXPECT_EQ(record_.lines()[1], "X-Edited: second\r");
}

TEST_F(ChainTest, EditsBeforeTempfailChangeNothing) {
  EXPECT_EQ(reply_with("edits_then_tempfail"), "451 4.7.1 Try again later");
}

TEST_F(ChainTest, TheFirstRefusalEndsIt) {
  t_.filter(t_.entry("no", "bad_filter", {{"mode", "reject"}, {"text", "first"}}));
  EXPECT_EQ(reply_with("throws"), "554 5.7.1 first");
  EXPECT_FALSE(t_.logged("plugin_threw"));
}

TEST_F(ChainTest, AFilterThatIsSilentIsTempfailedByDefault) {
  EXPECT_EQ(reply_under("never", OnFailure::tempfail, OnFailure::reject),
            "451 4.7.1 Try again later");
  EXPECT_EQ(t_.outcome().detail, "f: its deadline passed");
}

TEST_F(ChainTest, OnTimeoutRejects) {
  EXPECT_EQ(reply_under("never", OnFailure::reject, OnFailure::tempfail),
            "554 5.7.1 Message refused");
}

TEST_F(ChainTest, OnTimeoutContinues) {
  EXPECT_EQ(reply_under("never", OnFailure::proceed, OnFailure::reject), kQueued);
}

TEST_F(ChainTest, AFilterThatThrowsIsTempfailedByDefault) {
  EXPECT_EQ(reply_under("throws", OnFailure::reject, OnFailure::tempfail),
            "451 4.7.1 Try again later");
  EXPECT_EQ(t_.outcome().detail, "f: the plugin threw an exception");
}

TEST_F(ChainTest, OnErrorRejects) {
  EXPECT_EQ(reply_under("throws", OnFailure::tempfail, OnFailure::reject),
            "554 5.7.1 Message refused");
}

TEST_F(ChainTest, OnErrorContinues) {
  EXPECT_EQ(reply_under("throws_int", OnFailure::reject, OnFailure::proceed), kQueued);
}

TEST_F(ChainTest, AnAnswerInTimeStopsTheDeadline) {
  auto slow = t_.entry("slow", "bad_filter", {{"mode", "slow"}, {"delay", "1ms"}});
  slow.on_timeout = OnFailure::reject;
  t_.filter(std::move(slow));
  t_.start();
  t_.advance(9'999);
  EXPECT_EQ(t_.reply(), kQueued);
  t_.advance(60'000);
  EXPECT_EQ(t_.reply(), kQueued);
}

TEST_F(ChainTest, TheAnswerToACancelledCallIsIgnored) {
  auto late = t_.entry("late", "bad_filter", {{"mode", "after_cancel"}, {"delay", "2ms"}});
  t_.filter(std::move(late));
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), "451 4.7.1 Try again later");
  test::turn(t_.loop, 30);
  EXPECT_TRUE(record_.lines().empty());
  EXPECT_FALSE(t_.logged("call_not_open"));
}

TEST_F(ChainTest, EachFilterHasItsOwnDeadline) {
  for (const char* name : {"a", "b"}) {
    auto entry = t_.entry(name, "bad_filter", {{"mode", "never"}});
    entry.on_timeout = OnFailure::proceed;
    t_.filter(std::move(entry));
  }
  t_.start();
  t_.advance(10'000);
  t_.advance(9'999);
  EXPECT_EQ(t_.outcomes, 0);
  t_.advance(1);
  EXPECT_EQ(t_.reply(), kQueued);
}

TEST_F(ChainTest, TheChainsDeadlineEndsEvenPatientFilters) {
  for (const char* name : {"a", "b", "c", "d"}) {
    auto entry = t_.entry(name, "bad_filter", {{"mode", "never"}});
    entry.on_timeout = OnFailure::proceed;
    t_.filter(std::move(entry));
  }
  t_.start();
  for (int i = 0; i < 2; ++i) t_.advance(10'000);
  t_.advance(9'999);
  EXPECT_EQ(t_.outcomes, 0);
  t_.advance(1);
  EXPECT_NE(t_.reply().find("4"), std::string::npos);
  EXPECT_EQ(t_.outcome().fate, Fate::tempfail);
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ChainTest, TheChainsDeadlineEndsAFilterWithoutOne) {
  auto entry = t_.entry("f", "bad_filter", {{"mode", "never"}});
  entry.deadline = 0;
  t_.filter(std::move(entry));
  t_.start();
  t_.advance(29'999);
  EXPECT_EQ(t_.outcomes, 0);
  t_.advance(1);
  EXPECT_EQ(t_.reply(), "451 4.7.1 Try again later");
  EXPECT_EQ(t_.outcome().detail, "f: timeouts.chain passed");
}

TEST_F(ChainTest, CancelledBeforeTheOutputsNothingIsStored) {
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "on_cancel"}}));
  t_.start();
  on_loop(t_.loop, [&] { EXPECT_TRUE(t_.chain_run->cancel()); });
  t_.advance(60'000);
  test::turn(t_.loop, 30);
  EXPECT_EQ(t_.outcomes, 0);
  EXPECT_TRUE(record_.lines().empty());
}

TEST_F(ChainTest, CancelledInTheWindowAfterAFiltersAnswerNothingIsStored) {
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "slow"}, {"delay", "1ms"}}));
  t_.start();
  t_.chain_run.reset();
  t_.start();
  test::turn(t_.loop, 30);
  on_loop(t_.loop, [&] { (void)t_.chain_run->cancel(); });
  EXPECT_TRUE(t_.run_until([&] { return t_.outcomes > 0; }));
}

TEST_F(ChainTest, CancelledAfterwardsItGoesOnItsWay) {
  t_.start();
  on_loop(t_.loop, [&] { EXPECT_FALSE(t_.chain_run->cancel()); });
  EXPECT_EQ(t_.reply(), kQueued);
}

TEST_F(ChainTest, ManyMessagesMayBeUnderWayAtOnce) {
  t_.filter(t_.entry("slow", "bad_filter", {{"mode", "slow"}, {"delay", "5ms"}}));
  for (int i = 0; i < 50; ++i) t_.start();
  EXPECT_TRUE(t_.run_until([&] { return t_.outcomes == 50; }));
  EXPECT_EQ(record_.count("deliver"), 50u);
  t_.chain_run.reset();
}

TEST(ChainAdmissionTest, TakesTheSmallestLimitAndNeedsEverybody) {
  ChainHost t;
  const auto ask = [&] {
    plugin::Admission admission;
    on_loop(t.loop, [&] { admission = t.chain.admission(); });
    return admission;
  };
  t.output(t.entry("out", "test_output", {{"max", "20KiB"}}));
  EXPECT_TRUE(ask().ready);
  EXPECT_EQ(ask().max_message_size, 20'480u);
  t.chain.admissions.push_back(&t.lane("f", "bad_filter", {{"max", "10KiB"}}));
  EXPECT_EQ(ask().max_message_size, 10'240u);
  t.chain.admissions.push_back(&t.lane("g", "bad_filter", {{"ready", "false"}}));
  EXPECT_FALSE(ask().ready);
  EXPECT_EQ(ask().reason, "g: bad_filter was told not to be ready");
}

TEST(ChainAdmissionTest, AnOutputThatIsNotReadyNeedsAFallbackThatIs) {
  ChainHost t;
  plugin::Admission admission;
  const auto ask = [&] { on_loop(t.loop, [&] { admission = t.chain.admission(); }); };
  t.output(t.entry("a", "test_output", {{"ready", "false"}}), t.entry("spool", "replay_output"));
  ask();
  EXPECT_TRUE(admission.ready);
  t.chain.own().outputs[0].fallback = &t.lane("full", "replay_output", {{"ready", "false"}});
  ask();
  EXPECT_FALSE(admission.ready);
  EXPECT_EQ(admission.reason,
            "a: test_output was told not to be ready; full: test_output was told not to be ready");
  t.chain.own().outputs[0].fallback = nullptr;
  ask();
  EXPECT_FALSE(admission.ready);
}

TEST_F(ChainTest, AcceptSkipsTheFiltersThatAreLeft) {
  t_.filter(t_.entry("f", "bad_filter", {{"mode", "accept"}}));
  EXPECT_EQ(reply_with("reject"), kQueued);
}

}  // namespace
}  // namespace lsmtpd::pipeline
