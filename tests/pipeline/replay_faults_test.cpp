// SPDX-License-Identifier: Apache-2.0
// Replay when something fails: outputs that cannot, refuse, or are silent; a storage that cannot
// load, forget or list.
#include <gtest/gtest.h>

#include "replay_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using test::on_loop;
using test::ReplayHost;
using test::turn;

class ReplayFaultsTest : public testing::Test {
 protected:
  ReplayHost t_;
};

TEST_F(ReplayFaultsTest, NotNowEndsThePassAndTheNextBeginsWithOneMessage) {
  t_.storage_with();
  t_.target("broker", {{"fail_first", "2"}});
  t_.store_many(5, "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") == 5; }));
  const auto lines = t_.broker.lines();
  ASSERT_EQ(lines.size(), 7u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(lines[i].substr(0, 17), "deliver id-000000") << "one at a time until it goes";
}

TEST_F(ReplayFaultsTest, WhatIsRefusedForGoodIsBuriedAndBlocksNobody) {
  t_.storage_with();
  t_.target("broker", {{"reject_to", "poison@example.org"}});
  t_.keep("id-1", "broker", "poison@example.org");
  t_.keep("id-2", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-2") == 1; }));
  EXPECT_EQ(t_.spool.count("bury id-1 test_output was told so"), 1u);
  EXPECT_TRUE(t_.logged("dead_letter"));
}

TEST_F(ReplayFaultsTest, TheReplyTextIsTheReasonWhereThereIsNoDetail) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "broker");
  t_.replay->hold("id-1");
  t_.start_replay();
  t_.replay->settle_held(
      "id-1", plugin::Kind::reject,
      plugin::Verdict{plugin::Kind::reject, 0, {}, "no such queue", {}}.reason());
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("bury id-1 no such queue") == 1; }));
}

// The messages of a target that cannot take them must not keep those of another one from theirs.
TEST_F(ReplayFaultsTest, AnOutputThatIsDownDoesNotBlockAnother) {
  t_.storage_with();
  t_.target("down", {{"verdict", "tempfail"}});
  t_.target("up");
  t_.keep("id-1", "down");
  for (int i = 2; i < 8; ++i) t_.keep("id-" + std::to_string(i), "up");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") == 6; }));
  EXPECT_EQ(t_.kept(), (std::vector<std::string>{"id-1"}));
}

TEST_F(ReplayFaultsTest, AnOutputThatSaysItIsNotReadyIsNotAsked) {
  t_.storage_with();
  t_.target("down", {{"ready", "false"}, {"annotate", "down"}});
  t_.target("up");
  t_.keep("id-1", "down");
  t_.keep("id-2", "up");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-2") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), 0u);
}

TEST_F(ReplayFaultsTest, WhatTheOutputNotedDownIsStoredForItsNextTry) {
  t_.storage_with();
  t_.target("broker", {{"fail_first", "1"}, {"annotate", "half"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  EXPECT_EQ(
      t_.spool.count(
          "deliver id-1 target=broker replay=0 size=3 from=<a@example.org> to=<b@example.org> "
          "test_output.note=half"),
      1u);
}

TEST_F(ReplayFaultsTest, ALateStoreOfAnOverdueMessageForgetsItAndItIsNotSentAgain) {
  t_.storage_with();
  t_.target("broker", {{"delay", "100ms"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  t_.jump(1000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 1; }));
  t_.jump(Replay::kShortestDeadlineMs);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("cancel") == 1; }));
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), 1u);
}

TEST_F(ReplayFaultsTest, AnOverdueMessageThatWasNotTakenIsSentAgain) {
  t_.storage_with();
  t_.target("broker", {{"delay", "100ms"}, {"on_cancel", "drop"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  t_.jump(1000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 1; }));
  t_.jump(Replay::kShortestDeadlineMs);
  EXPECT_TRUE(t_.run_until([&] {
    t_.jump(1000);
    return t_.broker.count("deliver id-1") >= 2;
  }));
}

TEST_F(ReplayFaultsTest, WhatCannotBeLoadedNowIsTriedAgainAndWhatIsGoneIsSkipped) {
  t_.storage_with({{"load", "tempfail"}});
  t_.target("broker");
  t_.keep("id-1", "broker");
  t_.start_replay();
  for (int i = 0; i < 5; ++i) {
    t_.jump(30'000);
    turn(t_.loop);
  }
  EXPECT_EQ(t_.broker.lines().size(), 0u);
  EXPECT_EQ(t_.kept().size(), 1u);
  ReplayHost gone;
  gone.storage_with({{"load", "reject"}});
  gone.target("broker");
  gone.keep("id-1", "broker");
  gone.start_replay();
  gone.jump(1000);
  turn(gone.loop);
  EXPECT_EQ(gone.broker.lines().size(), 0u);
}

// P3: what the output has is not sent to it again because the storage cannot remove it.
TEST_F(ReplayFaultsTest, WhatCannotBeForgottenIsNotSentTwice) {
  t_.storage_with({{"forget", "tempfail"}});
  t_.target("broker");
  t_.store_many(3, "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") >= 5; }));
  t_.replay->wake();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") >= 10; }));
  for (int i = 0; i < 3; ++i)
    EXPECT_LE(t_.broker.count("deliver id-00000" + std::to_string(i)), 1u);
  EXPECT_EQ(t_.kept().size(), 3u);
}

TEST_F(ReplayFaultsTest, WhatALateStoreCannotForgetIsNotSentEither) {
  t_.storage_with({{"forget", "tempfail"}});
  t_.target("broker");
  t_.keep("id-1", "broker");
  t_.replay->hold("id-1");
  t_.start_replay();
  t_.replay->settle_held("id-1", plugin::Kind::stored, {});
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") >= 3; }));
  EXPECT_EQ(t_.broker.lines().size(), 0u);
}

TEST_F(ReplayFaultsTest, AStorageThatCannotListIsAskedAgain) {
  t_.storage_with();
  t_.target("broker");
  bool closed = false;
  on_loop(t_.loop, [&] { t_.storage->close([&] { closed = true; }); });
  EXPECT_TRUE(t_.run_until([&] { return closed; }));
  t_.start_replay();
  for (int i = 0; i < 5; ++i) {
    t_.jump(30'000);
    turn(t_.loop);
  }
  EXPECT_TRUE(t_.stop_replay());
}

TEST_F(ReplayFaultsTest, AnOutputThatIsStuckIsNotAsked) {
  t_.storage_with();
  auto& stuck = t_.target("broker", {{"verdict", "never"}}, false);
  on_loop(t_.loop, [&] {
    const auto message = t_.mail();
    for (uint32_t i = 0; i <= plugin::Lane::kMostStuck; ++i) {
      lsmtpd_call call = 0;
      EXPECT_FALSE(stuck.deliver(message, {"x", "", 0, false}, nullptr, call));
      stuck.abandon(call, nullptr);
    }
  });
  t_.keep("id-1", "broker");
  t_.start_replay();
  t_.jump(30'000);
  turn(t_.loop);
  EXPECT_EQ(t_.kept().size(), 1u);
}

}  // namespace
}  // namespace lsmtpd::pipeline
