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

TEST_F(ReplayFaultsTest, AMessageThatIsRefusedForNowHoldsUpNoOther) {
  t_.storage_with();
  t_.target("broker", {{"tempfail_to", "poison@example.org"}});
  t_.keep("id-1", "broker", "poison@example.org");
  for (int i = 2; i < 8; ++i) t_.keep("id-" + std::to_string(i), "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] { return t_.spool.count("forget") == 6; })) << "without a pause";
  EXPECT_EQ(t_.broker.count("deliver id-1"), 1u);
  EXPECT_EQ(t_.kept(), (std::vector<std::string>{"id-1"}));
}

TEST_F(ReplayFaultsTest, AMessageThatIsRefusedForNowWaitsLongerEachTime) {
  t_.storage_with();
  t_.target("broker", {{"tempfail_to", "poison@example.org"}});
  t_.keep("id-1", "broker", "poison@example.org");
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 1; }));
  t_.jump(9'000);
  turn(t_.loop);
  EXPECT_EQ(t_.broker.count("deliver id-1"), 1u);
  t_.jump(11'000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 2; }));
  on_loop(t_.loop,
          [&] { t_.replay->accepted("broker"); });  // so it is the message that is not wanted
  t_.jump(11'000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 3; }));
  t_.jump(11'000);
  turn(t_.loop);
  EXPECT_EQ(t_.broker.count("deliver id-1"), 3u) << "it waits 20 s by now";
  t_.jump(21'000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 4; }));
}

TEST_F(ReplayFaultsTest, AnOutputThatRefusesSeveralInARowPauses) {
  t_.storage_with();
  t_.target("broker", {{"verdict", "tempfail"}});
  t_.store_many(50, "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver") == Replay::kMostInARow; }));
  turn(t_.loop);
  EXPECT_EQ(t_.broker.count("deliver"), Replay::kMostInARow);
  t_.jump(1'100);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver") == 2 * Replay::kMostInARow; }));
}

TEST_F(ReplayFaultsTest, RejectedCopyBecomesADeadLetterAndBlocksNoOther) {
  t_.storage_with();
  t_.target("broker", {{"reject_to", "poison@example.org"}});
  t_.keep("id-1", "broker", "poison@example.org");
  t_.keep("id-2", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-2") == 1; }));
  EXPECT_EQ(t_.spool.count("dead_letter id-1 test_output was told so"), 1u);
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
  EXPECT_TRUE(
      t_.replay_until([&] { return t_.spool.count("dead_letter id-1 no such queue") == 1; }));
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

TEST_F(ReplayFaultsTest, AnnotationsOfTheOutputAreStoredForItsNextTry) {
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

TEST_F(ReplayFaultsTest, CopyThatFailsToLoadIsRetriedAndAMissingOneIsSkipped) {
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
TEST_F(ReplayFaultsTest, CopyThatCannotBeForgottenIsNotSentTwice) {
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

TEST_F(ReplayFaultsTest, LateStoredCopyThatCannotBeForgottenIsNotSentAgain) {
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
    for (uint32_t i = 0; i <= plugin::Calls::kMostStuck; ++i) {
      lsmtpd_call call = 0;
      EXPECT_FALSE(stuck.deliver(message, {.copy_id = "x"}, nullptr, call));
      stuck.abandon(call, nullptr);
    }
  });
  t_.keep("id-1", "broker");
  t_.start_replay();
  t_.jump(30'000);
  turn(t_.loop);
  EXPECT_EQ(t_.kept().size(), 1u);
}

TEST_F(ReplayFaultsTest, ACopyInDoubtIsSentAgainFirstAndWithoutAPause) {
  t_.storage_with();
  t_.target("broker", {{"lose_first", "1"}});
  t_.store_many(5, "broker");
  const auto begun = std::chrono::steady_clock::now();
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] { return t_.spool.count("forget") == 5; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  const auto lines = t_.broker.lines();
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0].substr(0, 17), "deliver id-000000");
  EXPECT_EQ(lines[1].substr(0, 17), "deliver id-000000");
}

TEST_F(ReplayFaultsTest, AtTheStartTheOldestCountAsInDoubtForTheirOwnOutput) {
  t_.storage_with();
  t_.target("down", {{"ready", "false"}});
  t_.target("up");
  t_.keep("id-1", "down");
  t_.keep("id-2", "up");
  EXPECT_FALSE(t_.replay->goes_first("down")) << "it has not begun";
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] { return t_.spool.count("forget id-2") == 1; }));
  EXPECT_TRUE(t_.replay->goes_first("down"));
  EXPECT_FALSE(t_.replay->goes_first("up"));
}

// Both ways of not answering: never, or only after a cancel.
TEST_F(ReplayFaultsTest, AnOutputThatDoesNotAnswerDoesNotHoldAStop) {
  for (const char* on_cancel : {"ignore", "drop"}) {
    ReplayHost t;
    t.storage_with();
    t.target("broker", {{"delay", "1h"}, {"on_cancel", on_cancel}});
    t.keep("id-1", "broker");
    t.start_replay();
    ASSERT_TRUE(t.run_until([&] { return t.broker.count("deliver id-1") == 1; }));
    bool idle = false;
    on_loop(t.loop, [&] { t.replay->stop([&] { idle = true; }); });
    EXPECT_EQ(t.broker.count("cancel"), 1u);
    turn(t.loop);
    EXPECT_EQ(idle, std::string(on_cancel) == "drop") << "that one answered";
    t.jump(Replay::kStopMs);
    EXPECT_TRUE(t.run_until([&] { return idle; }));
    EXPECT_EQ(t.kept(), (std::vector<std::string>{"id-1"})) << "it stays for the next start";
  }
}

TEST_F(ReplayFaultsTest, RecipientsThatHaveItGoAndTheOthersKeepTheirNumbers) {
  t_.storage_with();
  t_.target("broker", {{"verdicts", "st"}});
  t_.keep_for("id-1", "broker", {"b@example.org", "c@example.org"});
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.broker.count("deliver id-1") >= 3; }));
  const auto seen = t_.broker.lines();
  EXPECT_NE(seen[0].find("to=<b@example.org> to=<c@example.org>"), std::string::npos);
  // The second recipient's letter is the second one still, so it gets tempfail again.
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(seen[i].find("to=<b@example.org>"), std::string::npos) << seen[i];
    EXPECT_NE(seen[i].find("to=<c@example.org>"), std::string::npos) << seen[i];
  }
}

TEST_F(ReplayFaultsTest, OnlyRefusedRecipientsBecomeADeadLetter) {
  t_.storage_with();
  t_.target("broker", {{"verdicts", "sr"}});
  t_.keep_for("id-1", "broker", {"b@example.org", "c@example.org"});
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("dead_letter id-1") == 1; }));
  const auto kept = t_.spool.lines();
  ASSERT_GE(kept.size(), 2u);
  EXPECT_EQ(kept[1].find("to=<b@example.org>"), std::string::npos) << kept[1];
  EXPECT_NE(kept[1].find("to=<c@example.org>"), std::string::npos) << kept[1];
}

TEST_F(ReplayFaultsTest, AMessageThatIsLostAloneThreeTimesIsADeadLetter) {
  t_.storage_with();
  t_.target("broker", {{"verdict", "in_doubt"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("dead_letter id-1") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), 3u);
  // From the second attempt on it is one in doubt, in the storage too.
  EXPECT_NE(t_.broker.lines()[1].find("attempts=1 in_doubt"), std::string::npos);
  EXPECT_NE(t_.spool.lines()[1].find("in_doubt"), std::string::npos);
}

TEST_F(ReplayFaultsTest, ALossWhoseCausePassesIsNotCountedAgainstTheMessage) {
  t_.storage_with();
  t_.target("broker", {{"verdict", "in_doubt_passes"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.broker.count("deliver id-1") >= 6; }));
  EXPECT_EQ(t_.spool.count("dead_letter id-1"), 0u);
  EXPECT_NE(t_.broker.lines()[1].find("in_doubt"), std::string::npos);
}

// The message may be the cause all the same: it must not keep live mail from the output for ever.
TEST_F(ReplayFaultsTest, AMessageThatIsLostAloneAgainAndAgainWaitsOnItsOwn) {
  t_.storage_with();
  t_.target("broker", {{"verdict", "in_doubt_passes"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  for (uint32_t i = 1; i <= Replay::kMostLostAlone; ++i) {
    ASSERT_TRUE(t_.replay_until([&] { return t_.broker.count("deliver id-1") == i; }));
  }
  EXPECT_TRUE(t_.run_until([&] { return !t_.replay->goes_first("broker"); }));
  t_.jump(9'000);
  turn(t_.loop);
  EXPECT_EQ(t_.broker.count("deliver id-1"), Replay::kMostLostAlone);
  EXPECT_FALSE(t_.replay->goes_first("broker"));
  t_.jump(2'000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == 4; }));
  EXPECT_EQ(t_.spool.count("dead_letter"), 0u);
}

TEST_F(ReplayFaultsTest, ATempfailThatIsNotInDoubtIsNeverADeadLetter) {
  t_.storage_with();
  t_.target("broker", {{"fail_first", "5"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), 6u);
  EXPECT_NE(t_.broker.lines()[5].find("attempts=5"), std::string::npos);
}

// For the operator's tool, and for the next start.
TEST_F(ReplayFaultsTest, AttemptsAreStoredEachTimeThatTheyHaveDoubled) {
  t_.storage_with();
  t_.target("broker", {{"fail_first", "9"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  std::vector<std::string> stored;
  for (const auto& line : t_.spool.lines()) {
    const size_t at = line.find("attempts=");
    if (line.starts_with("deliver id-1 ") && at != std::string::npos)
      stored.push_back(line.substr(at));
  }
  EXPECT_EQ(stored,
            (std::vector<std::string>{"attempts=1", "attempts=2", "attempts=4", "attempts=8"}));
  EXPECT_NE(t_.broker.lines()[9].find("attempts=9"), std::string::npos);
}

}  // namespace
}  // namespace lsmtpd::pipeline
