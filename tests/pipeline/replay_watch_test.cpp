// SPDX-License-Identifier: Apache-2.0
// Mail that waits in a fallback: the lines about it, and mail that waits for too long.
#include <gtest/gtest.h>

#include "replay_host.hpp"

namespace lsmtpd::pipeline {
namespace {

using test::on_loop;
using test::ReplayHost;
using test::turn;

constexpr const char* kPoison = "poison@example.org";

class ReplayWatchTest : public testing::Test {
 protected:
  void took_another() {
    on_loop(t_.loop, [&] { t_.replay->accepted("broker"); });
  }
  bool stopped() {
    bool is = false;
    on_loop(t_.loop, [&] { is = t_.replay->stopped_for("broker").has_value(); });
    return is;
  }
  // Tries of the message that is refused, with others taken in between.
  void refuse(size_t times, uint64_t pause_ms = 10'000) {
    for (size_t i = 1; i <= times; ++i) {
      EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") == i; })) << i;
      turn(t_.loop);
      took_another();
      t_.jump(pause_ms + 200);
      pause_ms *= 2;
    }
  }
  ReplayHost t_;
};

TEST_F(ReplayWatchTest, AMessageThatIsRefusedWhileOthersAreTakenIsADeadLetterOnceItIsTooOld) {
  t_.storage_with({{"expired_to", kPoison}});
  t_.target("broker", {{"tempfail_to", kPoison}});
  t_.keep("id-1", "broker", kPoison);
  for (int i = 2; i < 8; ++i) t_.keep("id-" + std::to_string(i), "broker");
  t_.start_replay();
  refuse(Replay::kMostRefusals);
  EXPECT_TRUE(t_.run_until([&] { return t_.spool.count("dead_letter id-1") == 1; }));
  EXPECT_EQ(t_.broker.count("deliver id-1"), Replay::kMostRefusals);
  EXPECT_EQ(
      t_.spool.count("dead_letter id-1 it waited longer than max_age of spool, and was refused "
                     "once more: not this one"),
      1u);
  EXPECT_EQ(t_.spool.count("forget"), 6u) << "it held up no other";
  EXPECT_FALSE(stopped());
  EXPECT_FALSE(t_.logged("fallback_stopped"));
}

TEST_F(ReplayWatchTest, AMessageThatIsRefusedIsKeptWhileItIsNotTooOld) {
  t_.storage_with();
  t_.target("broker", {{"tempfail_to", kPoison}});
  t_.keep("id-1", "broker", kPoison);
  t_.start_replay();
  refuse(2 * Replay::kMostRefusals);
  EXPECT_EQ(t_.spool.count("dead_letter"), 0u);
  EXPECT_EQ(t_.kept(), (std::vector<std::string>{"id-1"}));
}

TEST_F(ReplayWatchTest, AnOutputThatRefusesEverythingMakesNoDeadLetters) {
  t_.storage_with({{"expired_to", kPoison}});
  t_.target("broker", {{"verdict", "tempfail"}});
  t_.keep("id-1", "broker", kPoison);
  t_.start_replay();
  for (size_t i = 1; i <= 2 * Replay::kMostRefusals; ++i) {
    EXPECT_TRUE(t_.run_until([&] { return t_.broker.count("deliver id-1") >= i; })) << i;
    t_.jump(60'000);
  }
  EXPECT_EQ(t_.spool.count("dead_letter"), 0u);
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(t_.run_until([&] { return stopped(); })) << "it took nothing since";
}

TEST_F(ReplayWatchTest, MailIsStoppedOnlyWhileItsOutputTookNothingSinceTheOldest) {
  t_.storage_with({{"expired_to", kPoison}});
  t_.target("broker", {{"ready", "false"}});
  t_.keep("id-1", "broker", kPoison);
  t_.start_replay();
  turn(t_.loop);
  EXPECT_FALSE(stopped()) << "it may not be connected yet";
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(
      t_.run_until([&] { return t_.logged("fallback_stopped fallback=spool output=broker"); }));
  EXPECT_TRUE(stopped());
  bool other = true;
  on_loop(t_.loop, [&] { other = t_.replay->stopped_for("another").has_value(); });
  EXPECT_FALSE(other);
  took_another();
  EXPECT_FALSE(stopped());
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(t_.run_until([&] { return t_.logged("stopped=false"); }));
}

TEST_F(ReplayWatchTest, AnOldMessageThatWasRemovedStopsNothing) {
  t_.storage_with({{"expired_to", kPoison}});
  t_.target("broker", {{"ready", "false"}});
  t_.keep("id-1", "broker", kPoison);
  t_.start_replay();
  turn(t_.loop);
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(t_.run_until([&] { return stopped(); }));
  t_.answer_of(
      [&](plugin::Done d, lsmtpd_call& c) { return t_.storage->forget("id-1", std::move(d), c); });
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(t_.run_until([&] { return !stopped(); }));
}

TEST_F(ReplayWatchTest, TheLogSaysWhenABacklogBeginsEachMinuteAndWhenItIsGone) {
  t_.storage_with();
  t_.target("broker", {{"fail_first", "1"}, {"ready", "false"}});
  t_.start_replay();
  turn(t_.loop);
  EXPECT_FALSE(t_.logged("backlog"));
  t_.keep("id-1", "broker");
  t_.replay->kept("broker", "the broker is away");
  EXPECT_TRUE(t_.run_until([&] {
    return t_.logged(
        "backlog_began fallback=spool outputs=broker waiting=1 reason=\"the broker is away\"");
  })) << t_.log();
  t_.keep("id-2", "broker");
  t_.replay->kept("broker", "the broker is still away");
  t_.jump(Backlog::kLineMs + 200);
  EXPECT_TRUE(t_.run_until([&] {
    return t_.logged("backlog fallback=spool outputs=broker waiting=2");
  })) << t_.log();
  EXPECT_TRUE(t_.logged("reason=\"the broker is still away\""));
  for (const char* id : {"id-1", "id-2"}) {
    t_.answer_of(
        [&](plugin::Done d, lsmtpd_call& c) { return t_.storage->forget(id, std::move(d), c); });
  }
  for (int i = 0; i < 3; ++i) {
    t_.jump(Replay::kSurveyMs + 200);
    turn(t_.loop);
  }
  EXPECT_TRUE(t_.run_until([&] { return t_.logged("backlog_gone fallback=spool"); })) << t_.log();
}

TEST_F(ReplayWatchTest, ABacklogThatIsReplayedCountsWhatWasDelivered) {
  t_.storage_with({{"expired_to", "nobody"}});
  t_.target("broker", {{"reject_to", kPoison}});
  t_.keep("id-1", "broker", kPoison);
  t_.keep("id-2", "broker");
  t_.keep("id-3", "broker");
  t_.start_replay();
  EXPECT_TRUE(t_.run_until([&] {
    return t_.logged("backlog_began fallback=spool outputs=\"\" waiting=3");
  })) << t_.log();
  EXPECT_TRUE(t_.run_until(
      [&] { return t_.spool.count("forget") == 2 && t_.spool.count("dead_letter") == 1; }));
  t_.jump(Replay::kSurveyMs + 200);
  EXPECT_TRUE(t_.run_until([&] { return t_.logged("delivered=2 dead_letters=1"); })) << t_.log();
}

}  // namespace
}  // namespace lsmtpd::pipeline
