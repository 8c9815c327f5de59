// SPDX-License-Identifier: Apache-2.0
// An output with a fallback: who stores it, and what a late outcome still does.
#include <gtest/gtest.h>

#include "chain_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using config::OnFailure;
using test::ChainHost;
using test::kQueued;
using test::on_loop;
using test::Record;
using test::turn;

const std::string kId = "11111111-2222-4333-8444-555555555555";

class FallbackTest : public testing::Test {
 protected:
  void set_up(test::Settings broker, test::Settings spool = {}) {
    auto primary = t_.entry("broker", "test_output", broker);
    auto fallback = t_.entry("spool", "replay_output", spool);
    for (auto* entry : {&primary, &fallback}) {
      const auto& file = entry == &primary ? broker_.file() : spool_.file();
      entry->options["record"] = {{file, {}}, {}};
    }
    t_.output(std::move(primary), std::move(fallback));
    on_loop(t_.loop, [&] { t_.replay->start(); });
  }
  // The copies that the spool still has.
  std::vector<std::string> kept() {
    return test::ids_of(t_.answer_of([&](plugin::Done d, lsmtpd_call& c) {
      return t_.storage->list(true, 100, std::move(d), c);
    }));
  }
  Record broker_{"broker"}, spool_{"spool"};
  ChainHost t_;
};

TEST_F(FallbackTest, IsNotAskedWhenTheOutputStores) {
  set_up({});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_TRUE(spool_.lines().empty());
}

TEST_F(FallbackTest, IsNotAskedWhenTheOutputRefuses) {
  set_up({{"verdict", "reject"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "554 5.7.1 told so");
  EXPECT_TRUE(spool_.lines().empty());
}

TEST_F(FallbackTest, StoresWhatTheOutputCannotTakeNow) {
  set_up({{"verdict", "tempfail"}, {"annotate", "half"}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(spool_.lines()[0], "deliver " + kId +
                                   " target=broker replay=0 size=21 from=<a@example.org> "
                                   "to=<b@example.org> to=<c@example.org> test_output.note=half "
                                   "attempts=1")
      << "with what the output noted down";
  EXPECT_EQ(t_.outcome().detail,
            "spool: memory " + kId + " (fallback of broker: test_output was told so)");
}

TEST_F(FallbackTest, StoresAMessageWhoseOutputThrew) {
  auto throws = t_.entry("broker", "test_output", {{"verdict", "throws"}});
  throws.on_error = OnFailure::reject;
  t_.output(std::move(throws), t_.entry("spool", "replay_output"));
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued) << "the policy is for outputs without a fallback";
}

TEST_F(FallbackTest, FailedFallbackIs451) {
  set_up({{"verdict", "tempfail"}, {"text", "broker"}},
         {{"verdict", "tempfail"}, {"text", "spool"}});
  t_.start();
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_EQ(t_.outcome().reply.enhanced, "4.3.0");
  EXPECT_EQ(t_.outcome().detail,
            "broker: test_output was told so; fallback spool: test_output was told so");
}

TEST_F(FallbackTest, RefusingFallbackIs451) {
  set_up({{"verdict", "tempfail"}}, {{"verdict", "reject"}});
  t_.start();
  EXPECT_EQ(t_.outcome().reply.code, 451);
}

TEST_F(FallbackTest, StoresWhatIsOverdueAndALateStoreForgetsThatCopy) {
  set_up({{"delay", "50ms"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(spool_.count("deliver " + kId + " target=broker"), 1u);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget " + kId) == 1; }));
  EXPECT_TRUE(kept().empty());
  EXPECT_EQ(broker_.count("deliver"), 1u);
}

TEST_F(FallbackTest, LateRefusalMakesThatCopyADeadLetter) {
  set_up({{"delay", "50ms"}, {"verdict", "reject"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_TRUE(t_.run_until(
      [&] { return spool_.count("dead_letter " + kId + " test_output was told so") == 1; }));
  EXPECT_TRUE(kept().empty());
}

TEST_F(FallbackTest, LateTempfailLeavesThatCopyToReplay) {
  set_up({{"delay", "50ms"}, {"fail_first", "1"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_TRUE(t_.run_until([&] {
    t_.jump(1000);
    return spool_.count("forget " + kId) == 1;
  }));
  EXPECT_EQ(broker_.count("deliver " + kId + " target= replay=1"), 1u);
}

// Part of it may be safe: a replay that does not know that sends it twice.
TEST_F(FallbackTest, LateTempfailAnnotatesTheCopyBeforeItsReplay) {
  set_up({{"delay", "50ms"}, {"fail_first", "1"}, {"annotate", "half"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_TRUE(t_.run_until([&] {
    t_.jump(1000);
    return spool_.count("forget " + kId) == 1;
  }));
  const auto lines = spool_.lines();
  ASSERT_EQ(spool_.count("deliver " + kId + " target=broker"), 2u);
  EXPECT_EQ(lines[0].find("test_output.note"), std::string::npos);
  EXPECT_NE(lines[1].find("test_output.note=half"), std::string::npos);
  EXPECT_EQ(broker_.count("deliver " + kId + " target= replay=1"), 1u);
}

TEST_F(FallbackTest, CopyMissingInTheFallbackGetsNoAnnotation) {
  set_up({{"delay", "20ms"}, {"verdict", "tempfail"}, {"annotate", "half"}},
         {{"delay", "200ms"}, {"verdict", "tempfail"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  turn(t_.loop, 50);
  EXPECT_EQ(spool_.count("deliver"), 1u);
  EXPECT_TRUE(kept().empty());
}

TEST_F(FallbackTest, AnOverdueCopyIsHeldBackFromReplayUntilItsOutcomeIsKnown) {
  set_up({{"verdict", "never"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  for (int i = 0; i < 10; ++i) {
    t_.jump(1000);
    turn(t_.loop);
  }
  EXPECT_EQ(broker_.count("deliver"), 1u) << "it may have it already";
  EXPECT_EQ(kept().size(), 1u);
}

TEST_F(FallbackTest, AStoreThatComesBeforeTheFallbackHasStoredIsTheReply) {
  set_up({{"delay", "20ms"}}, {{"delay", "200ms"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(t_.outcome().detail, "broker: memory " + kId);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget " + kId) == 1; }))
      << "the copy that came after all";
  EXPECT_TRUE(kept().empty());
  EXPECT_EQ(broker_.count("deliver"), 1u);
}

TEST_F(FallbackTest, WhenTheFallbackFailsALateStoreIsStillTheReply) {
  set_up({{"delay", "20ms"}}, {{"delay", "200ms"}, {"verdict", "tempfail"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  turn(t_.loop, 50);
  EXPECT_EQ(spool_.count("forget"), 0u) << "there is nothing to forget";
}

TEST_F(FallbackTest, OverdueFallbackIs451AndItsLateCopyIsReplayed) {
  set_up({{"verdict", "tempfail"}, {"fail_first", "0"}}, {{"delay", "50ms"}});
  t_.start();
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("deliver") == 1; }));
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_EQ(t_.outcome().detail,
            "broker: test_output was told so; fallback spool: its deadline passed");
  EXPECT_TRUE(t_.run_until([&] {
    t_.jump(2000);
    return broker_.count("deliver " + kId + " target= replay=1") > 0;
  }));
}

TEST_F(FallbackTest, CopyIsForgottenWhenOutputAndFallbackStoreLate) {
  set_up({{"delay", "100ms"}}, {{"delay", "50ms"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("deliver") == 1; }));
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget " + kId) == 1; }));
  EXPECT_EQ(broker_.count("deliver"), 1u);
}

// The fallback's 5xx does not reach the client: the output may take the mail next time.
TEST_F(FallbackTest, FallbackThatRefusesWithItsOwnReplyIs451) {
  set_up({{"verdict", "tempfail"}},
         {{"verdict", "reject"}, {"code", "552"}, {"enhanced", "5.3.4"}, {"text", "too large"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "451 4.3.0 Message cannot be stored now, try again later");
}

// Otherwise a broker that detects duplicates has forgotten them when they come again.
TEST_F(FallbackTest, TakesLiveMailUntilTheCopiesInDoubtHaveBeenSentAgain) {
  const Record flag("down");
  std::ofstream(flag.file()) << "";
  set_up({{"lose_first", "1"}, {"down_while", flag.file()}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  auto second = t_.mail();
  auto envelope = std::make_shared<message::Envelope>(*second.envelope);
  envelope->id = "22222222-2222-4333-8444-555555555555";
  second.envelope = envelope;
  t_.outcomes = 0;
  t_.start(std::move(second));
  EXPECT_EQ(t_.outcome().reply.code, 250);
  EXPECT_EQ(broker_.count("deliver"), 1u) << "the second was not offered to it";
  EXPECT_EQ(spool_.count("deliver"), 2u);
  ::unlink(flag.file().c_str());
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget") == 2; }));
  EXPECT_EQ(broker_.lines()[1].find("deliver " + kId + " target= replay=1"), 0u);
  t_.outcomes = 0;
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(spool_.count("deliver"), 2u) << "and then it goes to the output again";
}

TEST_F(FallbackTest, StoresWhatTheOutputHasNotAnsweredWhenTheChainsDeadlinePasses) {
  t_.chain.deadline_ms = 5'000;
  set_up({{"delay", "50ms"}});
  t_.start();
  t_.advance(5'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(t_.outcome().detail,
            "spool: memory " + kId + " (fallback of broker: timeouts.chain passed)");
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget " + kId) == 1; }))
      << "what the output stored late is forgotten here too";
  EXPECT_EQ(broker_.count("deliver"), 1u);
}

TEST_F(FallbackTest, HasAllOfItsOwnDeadlineWhateverIsLeftOfTheChains) {
  t_.chain.deadline_ms = 15'000;
  set_up({{"verdict", "never"}}, {{"verdict", "never"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("deliver") == 1; }));
  t_.advance(5'000);
  turn(t_.loop);
  EXPECT_EQ(t_.outcomes, 0) << "the chain's deadline does not end it";
  t_.advance(5'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_EQ(t_.outcome().detail,
            "broker: its deadline passed; fallback spool: its deadline passed");
}

TEST_F(FallbackTest, GetsOnlyTheTempfailedRecipients) {
  set_up({{"verdicts", "st"}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  ASSERT_EQ(spool_.count("deliver " + kId), 1u);
  EXPECT_EQ(
      spool_.lines()[0],
      "deliver " + kId +
          " target=broker replay=0 size=21 from=<a@example.org> to=<c@example.org> attempts=1");
}

TEST_F(FallbackTest, ARecipientThatWasRefusedIsToldWhateverTheFallbackStores) {
  set_up({{"verdicts", "rt"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "554 5.7.1 told so");
  const auto& each = t_.outcome().recipients;
  ASSERT_EQ(each.size(), 2u);
  EXPECT_EQ(each[0].code, 554);
  EXPECT_EQ(each[1].code, 250);
}

TEST_F(FallbackTest, EachRecipientsOutcomeIsToldWithTheOutputThatGaveIt) {
  set_up({{"verdicts", "rt"}});
  t_.start();
  EXPECT_EQ(t_.reply(), "554 5.7.1 told so");
  EXPECT_EQ(outcome_name(t_.outcome()), "mixed");
  EXPECT_EQ(t_.outcome().detail.substr(0, 6), "broker") << "the fallback refused nothing";
  const auto& told = t_.outcome().told;
  ASSERT_EQ(told.size(), 2u);
  EXPECT_NE(told[0].find("> rejected by broker"), std::string::npos) << told[0];
  EXPECT_NE(told[1].find("> stored by spool: "), std::string::npos) << told[1];
}

TEST_F(FallbackTest, AMessageInDoubtIsStoredAsOne) {
  set_up({{"verdict", "in_doubt"}});
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_EQ(spool_.lines()[0].substr(spool_.lines()[0].find("attempts")), "attempts=1 in_doubt");
}

TEST_F(FallbackTest, CopyLeftToTheFallbackByADeadlineIsInDoubt) {
  set_up({{"verdict", "never"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_NE(spool_.lines()[0].find(" in_doubt"), std::string::npos);
}

}  // namespace
}  // namespace lsmtpd::pipeline
