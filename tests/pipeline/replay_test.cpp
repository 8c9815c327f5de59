// SPDX-License-Identifier: Apache-2.0
// Replay when all goes well: passes, steps of the list, the window, targets.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "replay_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using test::on_loop;
using test::ReplayHost;
using test::turn;

class ReplayTest : public testing::Test {
 protected:
  ReplayHost t_;
};

TEST_F(ReplayTest, ReplaysStoredMessagesAtTheStartAndForgetsThem) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "broker");
  t_.keep("id-2", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") == 2; }));
  EXPECT_EQ(
      t_.broker.lines(),
      (std::vector<std::string>{
          "deliver id-1 target= replay=1 size=3 from=<a@example.org> to=<b@example.org> in_doubt",
          "deliver id-2 target= replay=1 size=3 from=<a@example.org> to=<b@example.org> "
          "in_doubt"}))
      << "the oldest at a start may have been under way when the process before was killed";
  EXPECT_TRUE(t_.kept().empty());
  EXPECT_TRUE(t_.logged("replayed"));
}

TEST_F(ReplayTest, AnotherLaneOfTheSameOutputGetsWhatWaits) {
  t_.storage_with();
  t_.target("broker", {{"ready", "false"}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  turn(t_.loop);
  EXPECT_EQ(t_.broker.lines().size(), 0u);
  auto made = ReplayHost::entry("broker", "test_output", {{"record", t_.broker.file()}});
  plugin::Lane& second = t_.lane(std::move(made));
  on_loop(t_.loop, [&] { t_.replay->set_output(test::borrowed(second)); });
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
}

TEST_F(ReplayTest, AnOutputThatWasRemovedGetsNothing) {
  t_.storage_with();
  plugin::Lane& lane = t_.target("broker");
  t_.keep("id-1", "broker");
  on_loop(t_.loop, [&] { t_.replay->remove_output(lane); });
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] {
    t_.jump(1000);
    turn(t_.loop);
    return true;
  }));
  EXPECT_EQ(t_.broker.lines().size(), 0u);
  EXPECT_EQ(t_.kept().size(), 1u);
  on_loop(t_.loop, [&] { t_.replay->set_output(test::borrowed(lane)); });
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
}

TEST_F(ReplayTest, SleepsUntilItIsWokenAndReplaysNewMessages) {
  t_.storage_with();
  t_.target("broker");
  t_.start_replay();
  t_.jump(30'000);
  turn(t_.loop);
  t_.keep("id-1", "broker");
  t_.jump(Replay::kSurveyMs / 2);
  turn(t_.loop);
  EXPECT_EQ(t_.broker.lines().size(), 0u);
  t_.replay->wake();
  t_.replay->wake();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
}

TEST_F(ReplayTest, FindsWhatAnOperatorPutIntoTheStorage) {
  t_.storage_with();
  t_.target("broker");
  t_.start_replay();
  t_.jump(30'000);
  turn(t_.loop);
  t_.keep("id-1", "broker");  // and nobody wakes it
  t_.jump(Replay::kSurveyMs + 1000);
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
}

TEST_F(ReplayTest, CarriesTheAnnotationsOfTheOutput) {
  t_.storage_with();
  t_.target("broker");
  auto message = t_.mail("x\r\n", {"b@example.org"});
  message.annotations =
      std::make_shared<message::Annotations>(message::Annotations{{"test_output.note", "half"}});
  EXPECT_EQ(t_.deliver(*t_.storage, message, "id-1", "broker").verdict.kind, plugin::Kind::stored);
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.broker.count("deliver id-1") == 1; }));
  EXPECT_NE(t_.broker.lines()[0].find("test_output.note=half"), std::string::npos);
}

TEST_F(ReplayTest, WaitsUntilTheOutputIsReady) {
  t_.storage_with();
  const test::Record flag("down");
  std::ofstream(flag.file()) << "";
  t_.target("broker", {{"down_while", flag.file()}});
  t_.keep("id-1", "broker");
  t_.start_replay();
  for (int i = 0; i < 5; ++i) {
    t_.jump(1000);
    turn(t_.loop);
  }
  EXPECT_EQ(t_.broker.lines().size(), 0u);
  ::unlink(flag.file().c_str());
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
}

TEST_F(ReplayTest, ListsInSteps) {
  t_.storage_with();
  t_.target("broker");
  t_.store_many(3 * Replay::kListStep + 5, "broker");
  t_.start_replay();
  EXPECT_TRUE(
      t_.replay_until([&] { return t_.spool.count("forget") == 3 * Replay::kListStep + 5; }));
  std::set<std::string> once;
  for (const auto& line : t_.broker.lines())
    EXPECT_TRUE(once.insert(line.substr(0, 17)).second) << line;
  EXPECT_TRUE(t_.kept().empty());
}

// The messages themselves are 1,000 bytes each, so the budget shows how many are under way.
TEST_F(ReplayTest, TakesMoreAtATimeAsLongAsAllGoesWellButNeverTooMany) {
  t_.storage_with();
  t_.target("broker", {{"delay", "5ms"}}, false);
  t_.store_many(200, "broker", 1000);
  uint64_t most = 0;
  t_.start_replay();
  t_.jump(1000);
  EXPECT_TRUE(t_.run_until([&] {
    most = std::max(most, t_.resources.memory.used());
    return t_.spool.count("forget") == 200;
  }));
  EXPECT_GE(most, 8'000u);
  EXPECT_LE(most, Replay::kLargestWindow * 2'000u) << "a body and its envelope each";
}

TEST(ReplayBytesTest, LargeMessagesUnderWayAreBoundedByTheirBytes) {
  constexpr size_t kSize = 1024 * 1024;
  ReplayHost t(64u << 20);
  t.storage_with();
  t.target("broker", {{"delay", "5ms"}}, false);
  t.store_many(40, "broker", kSize);
  uint64_t most = 0;
  t.start_replay();
  t.jump(1000);
  EXPECT_TRUE(t.run_until([&] {
    most = std::max(most, t.resources.memory.used());
    return t.spool.count("forget") == 40;
  }));
  EXPECT_GE(most, 4 * kSize) << "several at a time";
  EXPECT_LE(most, Replay::kLargestBytes + kSize);
}

TEST_F(ReplayTest, TenThousandMessagesTakeNoMoreMemoryThanAFew) {
  t_.storage_with();
  t_.target("broker", {}, false);
  t_.store_many(10'000, "broker", 1000);
  uint64_t most = 0;
  t_.start_replay();
  t_.jump(1000);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  bool empty = false;
  while (!empty && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 200; ++i) {
      turn(t_.loop, 1);
      most = std::max(most, t_.resources.memory.used());
    }
    empty = t_.kept().empty();
  }
  EXPECT_TRUE(empty);
  EXPECT_LE(most, Replay::kLargestWindow * 2'000u) << "a body and its envelope each";
  EXPECT_EQ(t_.resources.memory.used(), 0u);
}

TEST_F(ReplayTest, EachOutputGetsItsOwnCopies) {
  t_.storage_with();
  t_.target("a", {{"annotate", "to-a"}});
  t_.target("b", {{"annotate", "to-b"}});
  t_.keep("id-1", "a");
  t_.keep("id-2", "b");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget") == 2; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), 1u);
  EXPECT_EQ(t_.broker.count("deliver id-2"), 1u);
}

TEST_F(ReplayTest, AnUnknownTargetIsSkippedAndKept) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "renamed");
  t_.keep("id-2", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-2") == 1; }));
  EXPECT_EQ(t_.kept(), (std::vector<std::string>{"id-1"}));
  EXPECT_TRUE(t_.logged("replay_skipped"));
  EXPECT_EQ(t_.broker.count("deliver"), 1u);
}

TEST_F(ReplayTest, CopiesOfAMissingOutputAreOneLineUntilItIsThereAgain) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "renamed");
  t_.keep("id-2", "renamed");
  t_.keep("id-3", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-3") == 1; }));
  t_.keep("id-4", "broker");
  on_loop(t_.loop, [&] { t_.replay->wake(); });  // another pass
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-4") == 1; }));
  const std::string log = t_.log();
  const size_t first = log.find("replay_skipped");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("replay_skipped", first + 1), std::string::npos) << log;
  // The output is there again.
  t_.target("renamed");
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-2") == 1; }));
}

TEST_F(ReplayTest, NoTargetMeansTheOnlyOneButNotOneOfSeveral) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "");
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  ReplayHost several;
  several.storage_with();
  several.target("a");
  several.target("b");
  several.keep("id-1", "");
  several.start_replay();
  several.jump(30'000);
  turn(several.loop, 50);
  EXPECT_EQ(several.kept().size(), 1u);
}

TEST_F(ReplayTest, HeldCopiesStayUntilTheirOutcomeIsKnown) {
  t_.storage_with();
  t_.target("broker");
  for (const char* id : {"id-1", "id-2", "id-3", "id-4"}) {
    t_.keep(id, "broker");
    if (std::string(id) != "id-4") t_.replay->hold(id);
  }
  t_.start_replay();
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-4") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver"), 1u);
  t_.replay->settle_held("id-1", plugin::Kind::stored, {});
  t_.replay->settle_held("id-2", plugin::Kind::reject, "too old");
  t_.replay->settle_held("id-3", plugin::Kind::tempfail, {});
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-3") == 1; }));
  EXPECT_EQ(t_.spool.count("forget id-1"), 1u);
  EXPECT_EQ(t_.spool.count("dead_letter id-2 too old"), 1u);
  EXPECT_EQ(t_.broker.count("deliver"), 2u) << "only what nobody had";
  EXPECT_TRUE(t_.kept().empty());
}

TEST_F(ReplayTest, OtherWorkersMayHoldSettleAndWakeIt) {
  t_.storage_with();
  t_.target("broker");
  t_.keep("id-1", "broker");
  t_.start_replay();
  std::thread worker([&] {
    for (int i = 0; i < 500; ++i) {
      const std::string id = "id-" + std::to_string(i);
      t_.replay->hold(id);
      t_.replay->wake();
      t_.replay->settle_held(id, plugin::Kind::tempfail, {});
    }
  });
  EXPECT_TRUE(t_.replay_until([&] { return t_.spool.count("forget id-1") == 1; }));
  worker.join();
}

TEST_F(ReplayTest, StoppedInTheMiddleItSettlesWhatIsUnderWayAndBeginsNothingNew) {
  t_.storage_with();
  t_.target("broker", {{"delay", "20ms"}});
  t_.store_many(50, "broker");
  t_.start_replay();
  t_.jump(1000);
  EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver") >= 4; }));
  EXPECT_TRUE(t_.stop_replay());
  const size_t delivered = t_.broker.count("deliver");
  EXPECT_LT(delivered, 50u);
  EXPECT_EQ(t_.spool.count("forget"), delivered)
      << "what the broker has is forgotten before the lanes close";
  EXPECT_EQ(t_.kept().size(), 50 - delivered);
  t_.replay->wake();
  t_.jump(30'000);
  turn(t_.loop);
  EXPECT_EQ(t_.broker.count("deliver"), delivered);
}

TEST_F(ReplayTest, StoppedWithNothingUnderWayItIsIdleAtOnce) {
  t_.storage_with();
  t_.target("broker");
  t_.start_replay();
  bool idle = false;
  on_loop(t_.loop, [&] {
    t_.replay->stop([&] { idle = true; });
    EXPECT_TRUE(idle);
  });
}

}  // namespace
}  // namespace lsmtpd::pipeline
