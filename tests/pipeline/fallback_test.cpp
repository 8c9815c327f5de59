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
  // What the spool still has.
  std::vector<std::string> kept() {
    return t_
        .answer_of([&](plugin::Done d, lsmtpd_call& c) {
          return t_.storage->list(true, 100, std::move(d), c);
        })
        .copy_ids;
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
                                   "to=<b@example.org> to=<c@example.org> test_output.note=half")
      << "with what the output noted down";
  EXPECT_EQ(t_.outcome().detail,
            "spool: memory " + kId + " (fallback of broker: test_output was told so)");
}

TEST_F(FallbackTest, StoresWhatTheOutputThrewOver) {
  auto throws = t_.entry("broker", "test_output", {{"verdict", "throws"}});
  throws.on_error = OnFailure::reject;
  t_.output(std::move(throws), t_.entry("spool", "replay_output"));
  t_.start();
  EXPECT_EQ(t_.reply(), kQueued) << "the policy is for outputs without a fallback";
}

TEST_F(FallbackTest, ThatFailsTooIs451) {
  set_up({{"verdict", "tempfail"}, {"text", "broker"}},
         {{"verdict", "tempfail"}, {"text", "spool"}});
  t_.start();
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_EQ(t_.outcome().reply.enhanced, "4.3.0");
  EXPECT_EQ(t_.outcome().detail,
            "broker: test_output was told so; fallback spool: test_output was told so");
}

TEST_F(FallbackTest, ThatRefusesIs451Too) {
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

TEST_F(FallbackTest, ALateRefusalBuriesThatCopy) {
  set_up({{"delay", "50ms"}, {"verdict", "reject"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_EQ(t_.reply(), kQueued);
  EXPECT_TRUE(
      t_.run_until([&] { return spool_.count("bury " + kId + " test_output was told so") == 1; }));
  EXPECT_TRUE(kept().empty());
}

TEST_F(FallbackTest, ALateNotNowLeavesThatCopyToReplay) {
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
TEST_F(FallbackTest, WhatALateNotNowNotedDownIsInThatCopyBeforeItsReplay) {
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

TEST_F(FallbackTest, NothingIsNotedDownInACopyThatTheFallbackDoesNotHave) {
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

TEST_F(FallbackTest, ThatIsOverdueIs451AndWhatItStoresLateIsReplayed) {
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

TEST_F(FallbackTest, BothOverdueAndBothLateTheCopyIsForgotten) {
  set_up({{"delay", "100ms"}}, {{"delay", "50ms"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("deliver") == 1; }));
  t_.advance(10'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("forget " + kId) == 1; }));
  EXPECT_EQ(broker_.count("deliver"), 1u);
}

TEST_F(FallbackTest, TheChainsDeadlineEndsItAndSaysSo) {
  t_.chain.deadline_ms = 15'000;
  set_up({{"verdict", "never"}}, {{"verdict", "never"}});
  t_.start();
  t_.advance(10'000);
  EXPECT_TRUE(t_.run_until([&] { return spool_.count("deliver") == 1; }));
  t_.advance(5'000);
  EXPECT_EQ(t_.outcome().reply.code, 451);
  EXPECT_EQ(t_.outcome().detail,
            "broker: its deadline passed; fallback spool: timeouts.chain passed");
}

}  // namespace
}  // namespace lsmtpd::pipeline
