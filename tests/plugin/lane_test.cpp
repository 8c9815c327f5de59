// SPDX-License-Identifier: Apache-2.0
// Calls and lanes at their edges: abandoned, stuck, closing.
#include <gtest/gtest.h>

#include <set>

#include "message/shared_envelope.hpp"
#include "plugin_host.hpp"

// A lane of bad_filter that throws in close, or never closes, is lost.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:bad_filter.so\n";
}

namespace lsmtpd::plugin {
namespace {

using test::on_loop;
using test::PluginHost;
using test::turn;

class LaneTest : public testing::Test {
 protected:
  // Asks, and keeps the open call.
  lsmtpd_call ask(Lane& lane, Done done) {
    lsmtpd_call call = 0;
    on_loop(host_.loop, [&] { EXPECT_FALSE(lane.filter(host_.mail(), 0, std::move(done), call)); });
    EXPECT_NE(call, 0u);
    return call;
  }
  static Done never() {
    return [](const Completion&) { ADD_FAILURE() << "nobody waits for this answer"; };
  }
  PluginHost host_;
};

TEST_F(LaneTest, LateAnswerOfAnAbandonedCallGoesToItsHandler) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "after_cancel"}, {"delay", "2ms"}});
  const auto first = ask(lane, never());
  const auto second = ask(lane, never());
  int late = 0;
  on_loop(host_.loop, [&] {
    lane.abandon(first, [&](const Completion& c) {
      EXPECT_EQ(c.verdict.kind, Kind::proceed);
      ++late;
    });
    lane.abandon(second, nullptr);
    EXPECT_EQ(late, 0) << "never from inside";
  });
  EXPECT_TRUE(host_.run_until([&] { return late > 0; }));
  turn(host_.loop);
  EXPECT_EQ(late, 1);
  EXPECT_FALSE(host_.logged("call_not_open"));
}

TEST_F(LaneTest, AnAnswerInsideCancelIsHandedOnAfterwards) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "on_cancel"}});
  const auto call = ask(lane, never());
  int late = 0;
  on_loop(host_.loop, [&] {
    lane.abandon(call, [&](const Completion&) { ++late; });
    EXPECT_EQ(late, 0);
  });
  EXPECT_TRUE(host_.run_until([&] { return late == 1; }));
}

// Both calls are answered in one turn; the handler of the first answer abandons the second call,
// whose answer is on its way.
TEST_F(LaneTest, ACallMayBeAbandonedBetweenItsAnswerAndTheHandOn) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "on_cancel"}});
  lsmtpd_call second = 0;
  std::string order;
  const auto first = ask(lane, never());
  second = ask(lane, never());
  on_loop(host_.loop, [&] {
    lane.abandon(first, [&](const Completion&) {
      order += "1";
      lane.abandon(second, [&](const Completion&) { order += "late"; });
    });
    lane.abandon(second, [&](const Completion&) { order += "2"; });
  });
  EXPECT_TRUE(host_.run_until([&] { return order.size() > 1; }));
  turn(host_.loop);
  EXPECT_EQ(order, "1late");
}

TEST_F(LaneTest, CallMayBeAbandonedWithoutAHandlerInThatWindowToo) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "on_cancel"}});
  const auto first = ask(lane, never());
  const auto second = ask(lane, never());
  bool seen = false;
  on_loop(host_.loop, [&] {
    lane.abandon(first, [&](const Completion&) {
      lane.abandon(second, nullptr);
      seen = true;
    });
    lane.abandon(second, never());
  });
  EXPECT_TRUE(host_.run_until([&] { return seen; }));
  turn(host_.loop);
}

TEST_F(LaneTest, TooManyStuckCallsAreAFailure) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "never"}});
  const auto message = host_.mail();
  on_loop(host_.loop, [&] {
    for (uint32_t i = 0; i <= Calls::kMostStuck; ++i) {
      EXPECT_FALSE(lane.failed());
      lsmtpd_call call = 0;
      ASSERT_FALSE(lane.filter(message, 0, never(), call));
      lane.abandon(call, nullptr);
      lane.abandon(call, nullptr);  // counts once
    }
    EXPECT_TRUE(lane.failed());
    lsmtpd_call call = 0;
    const auto answer = lane.filter(message, 0, never(), call);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->verdict.kind, Kind::failed);
  });
  EXPECT_TRUE(host_.logged("plugin_stuck"));
}

TEST_F(LaneTest, ALaneRecoversWhenItsStuckCallsComplete) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "after_cancel"}, {"delay", "1ms"}});
  const auto message = host_.mail();
  on_loop(host_.loop, [&] {
    for (uint32_t i = 0; i <= Calls::kMostStuck; ++i) {
      lsmtpd_call call = 0;
      ASSERT_FALSE(lane.filter(message, 0, never(), call));
      lane.abandon(call, nullptr);
    }
    EXPECT_TRUE(lane.failed());
  });
  EXPECT_TRUE(host_.run_until([&] { return !lane.failed(); }));
}

TEST_F(LaneTest, MessagesOfOpenCallsAreFreedWithTheLane) {
  {
    auto host = std::make_unique<PluginHost>();
    auto& lane = host->lane("bad", "bad_filter", {{"mode", "never"}});
    on_loop(host->loop, [&] {
      lsmtpd_call call = 0;
      ASSERT_FALSE(lane.filter(
          host->mail(std::string(100'000, 'x')), 0, [](const Completion&) {}, call));
    });
    EXPECT_GE(host->resources.memory.used(), 100'000u);
    EXPECT_TRUE(host->close_lanes());
    EXPECT_EQ(host->resources.memory.used(), 0u);
  }
}

TEST_F(LaneTest, CallsThatAreOpenWhenTheLaneClosesGetTheirOneAnswer) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "never"}});
  int answers = 0;
  ask(lane, [&](const Completion& c) {
    EXPECT_EQ(c.verdict.kind, Kind::tempfail);
    EXPECT_EQ(c.verdict.detail, "the plugin closed its lane");
    ++answers;
  });
  EXPECT_TRUE(host_.close_lanes());
  turn(host_.loop);
  EXPECT_EQ(answers, 1);
  EXPECT_TRUE(host_.logged("calls_left_open"));
}

TEST_F(LaneTest, AClosedLaneIsNotCalledAnyMore) {
  auto& lane = host_.lane("bad", "bad_filter", {{"mode", "continue"}});
  EXPECT_TRUE(host_.close_lanes());
  on_loop(host_.loop, [&] {
    lsmtpd_call call = 1;
    const auto answer = lane.filter(host_.mail(), 0, never(), call);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->verdict.kind, Kind::tempfail);
    EXPECT_EQ(call, 0u);
    EXPECT_FALSE(lane.admission().ready);
    EXPECT_TRUE(lane.failed());
    lane.session_closed(1);
  });
}

TEST_F(LaneTest, ClosedTwiceByThePluginIsClosedOnce) {
  host_.lane("bad", "bad_filter", {{"close", "twice"}});
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_TRUE(host_.logged("lane_closed_twice"));
}

TEST_F(LaneTest, ALaneThatThrowsInCloseIsClosed) {
  host_.lane("bad", "bad_filter", {{"close", "throws"}});
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_TRUE(host_.logged("thrown in close"));
}

TEST_F(LaneTest, TheSdksLaneThatThrowsInCloseIsClosed) {
  host_.lane("t", "throwing_filter", {{"where", "close"}});
  EXPECT_TRUE(host_.close_lanes());
}

TEST_F(LaneTest, ALaneThatNeverClosesIsWaitedForInVain) {
  host_.leave_open();
  host_.lane("bad", "bad_filter", {{"close", "never"}});
  EXPECT_FALSE(host_.close_lanes()) << "the drain deadline ends this";
}

TEST_F(LaneTest, ALaneThatClosesUnaskedAnswersItsCallAndIsNotClosedAgain) {
  auto& lane = host_.lane("f", "extension_filter", {{"use", "closes_itself"}});
  const auto answer = host_.filter(lane, host_.mail());
  EXPECT_EQ(answer.verdict.kind, Kind::tempfail);
  EXPECT_TRUE(lane.failed());
  EXPECT_TRUE(host_.logged("lane_closed_unasked"));
  EXPECT_TRUE(host_.close_lanes());
}

// A plugin may take one worker's host for another's.
TEST_F(LaneTest, TwoWorkersNeverHaveACallOfTheSameId) {
  Instance& instance =
      host_.instance(test::plugin_entry("bad", "bad_filter", {{"mode", "on_cancel"}}));
  std::set<lsmtpd_call> calls;
  on_loop(host_.loop, [&] {
    for (const uint32_t worker : {0u, 1u, 2u}) {
      auto lane = *instance.open_lane(host_.loop, worker);
      for (int i = 0; i < 3; ++i) {
        lsmtpd_call call = 0;
        EXPECT_FALSE(lane->filter(
            host_.mail(), 0, [](const Completion&) {}, call));
        calls.insert(call);
        lane->abandon(call, nullptr);
      }
      Lane* raw = lane.release();
      raw->close([raw] { delete raw; });
    }
  });
  turn(host_.loop);
  EXPECT_EQ(calls.size(), 9u);
}

TEST_F(LaneTest, ASessionEventKeepsTheEnvelopeAsItWas) {
  auto& lane = host_.lane("s", "session_filter", {{"helo", "bad.example"}, {"delay", "2ms"}});
  message::SharedEnvelope envelope;
  envelope.change().helo = "bad.example";
  std::optional<Completion> answer;
  on_loop(host_.loop, [&] {
    lsmtpd_call call = 0;
    EXPECT_FALSE(lane.decide(
        {.phase = message::Phase::helo, .session = 1, .envelope = envelope.share()},
        [&](Completion c) { answer = std::move(c); }, call));
    envelope.change().helo = "good.example";
  });
  EXPECT_TRUE(host_.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->verdict.kind, Kind::reject);
  EXPECT_EQ(answer->verdict.text, "refused by session_filter");
}

TEST_F(LaneTest, TheEnvelopeOfAnAbandonedQuestionIsCounted) {
  auto& lane = host_.lane("s", "session_filter",
                          {{"helo", "bad.example"}, {"delay", "2ms"}, {"ignores_cancel", "true"}});
  message::SharedEnvelope envelope;
  envelope.change().helo = "bad.example";
  envelope.change().recipients = {{std::string(10'000, 'a'), {}}};
  const uint64_t before = host_.resources.memory.used();
  bool answered = false;
  on_loop(host_.loop, [&] {
    lsmtpd_call call = 0;
    EXPECT_FALSE(
        lane.decide({.phase = message::Phase::helo, .session = 1, .envelope = envelope.share()},
                    nullptr, call));
    EXPECT_EQ(host_.resources.memory.used(), before);
    lane.abandon(call, [&](Completion) { answered = true; });
    EXPECT_GT(host_.resources.memory.used(), before + 10'000);
  });
  EXPECT_TRUE(host_.run_until([&] { return answered; }));
  EXPECT_EQ(host_.resources.memory.used(), before);
}

TEST_F(LaneTest, AnOutputsNotesGoAlongWithTempfailOnly) {
  auto& later = host_.lane("o", "test_output", {{"verdict", "tempfail"}, {"annotate", "half"}});
  const auto answer = host_.deliver(later, host_.mail(), "id");
  EXPECT_EQ(answer.verdict.kind, Kind::tempfail);
  EXPECT_EQ(answer.message->annotations->at("test_output.note"), "half");
  auto& stored = host_.lane("p", "test_output", {{"annotate", "half"}});
  EXPECT_FALSE(host_.deliver(stored, host_.mail(), "id").message);
}

TEST_F(LaneTest, StorageReturnsItsStoredMessages) {
  auto& lane = host_.lane("r", "replay_output");
  EXPECT_EQ(host_.deliver(lane, host_.mail("one\r\n"), "id-1", "broker").verdict.kind,
            Kind::stored);
  EXPECT_EQ(host_.deliver(lane, host_.mail("two\r\n"), "id-2", "other").verdict.kind, Kind::stored);
  const auto list =
      host_.answer_of([&](Done d, lsmtpd_call& c) { return lane.list(true, 10, std::move(d), c); });
  EXPECT_EQ(test::ids_of(list), (std::vector<std::string>{"id-1", "id-2"}));
  EXPECT_TRUE(list.storage().end);
  const auto loaded =
      host_.answer_of([&](Done d, lsmtpd_call& c) { return lane.load("id-2", std::move(d), c); });
  ASSERT_TRUE(loaded.message);
  EXPECT_EQ(test::content_of(*loaded.message), "two\r\n");
  EXPECT_EQ(loaded.message->envelope->recipients.size(), 2u);
  EXPECT_EQ(loaded.storage().stored.target, "other");
  const auto gone =
      host_.answer_of([&](Done d, lsmtpd_call& c) { return lane.load("id-3", std::move(d), c); });
  EXPECT_EQ(gone.verdict.kind, Kind::reject);
  EXPECT_EQ(
      host_.answer_of([&](Done d, lsmtpd_call& c) { return lane.forget("id-1", std::move(d), c); })
          .verdict.kind,
      Kind::stored);
  EXPECT_EQ(host_
                .answer_of([&](Done d, lsmtpd_call& c) {
                  return lane.dead_letter("id-2", "why", std::move(d), c);
                })
                .verdict.kind,
            Kind::stored);
}

TEST_F(LaneTest, RecipientsAreAnsweredOneByOneAndTheClientSeesTheWorst) {
  auto& lane = host_.lane("o", "test_output", {{"verdicts", "sr"}});
  const auto answer = host_.deliver(lane, host_.mail(), "id");
  ASSERT_EQ(answer.recipients.size(), 2u);
  EXPECT_EQ(answer.recipients[0].kind, Kind::stored);
  EXPECT_EQ(answer.recipients[1].kind, Kind::reject);
  EXPECT_EQ(answer.verdict.kind, Kind::reject);
}

TEST_F(LaneTest, AHostOutlivesItsLane) {
  Instance& instance =
      host_.instance(test::plugin_entry("f", "extension_filter", {{"use", "keeps_host"}}));
  test::on_loop(host_.loop, [&] {
    auto lane = *instance.open_lane(host_.loop, 0);
    lsmtpd_call call = 0;
    EXPECT_FALSE(lane->filter(
        host_.mail(), 0, [](const Completion&) {}, call));
    bool closed = false;
    lane->close([&] { closed = true; });
    EXPECT_TRUE(test::run_until(host_.loop, [&] { return closed; }));
  });
  // The plugin's thread goes on using the host of the lane that is gone.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(host_.logged("call_not_open"));
}

}  // namespace
}  // namespace lsmtpd::plugin
