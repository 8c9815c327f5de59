// SPDX-License-Identifier: Apache-2.0
// sdk/loop.hpp against the fake host: timers, watches, posts, work on the pool, memory, and the end
// of a lane.
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "sdk_support.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using std::chrono::milliseconds;

// A lane that tests drive from outside: what it does with a message is set by the test.
struct Driven : sdk::SimpleFilter {
  Driven(sdk::LaneHost lane_host, sdk::Config config) : SimpleFilter(std::move(lane_host), config) {
    lane = this;
  }
  ~Driven() override { lane = nullptr; }
  void message(sdk::Call call, sdk::FilterMessage) override { held = std::move(call); }
  void close(sdk::Closed closed) override {
    if (!late) return closed();
    closing = std::make_unique<sdk::Closed>(std::move(closed));
  }

  static inline Driven* lane = nullptr;
  sdk::Call held;
  sdk::Timer timer;
  sdk::Watch watch;
  sdk::Question question;
  bool late = false;
  std::unique_ptr<sdk::Closed> closing;
};

class SdkLoop : public testing::Test {
 protected:
  SdkLoop() { (void)*host_; }
  const sdk::LaneHost& lane_host() { return Driven::lane->host(); }
  Driven& lane() { return *Driven::lane; }
  lsmtpd_test* t() { return host_.raw(); }

  FakeHost host_ = FakeHost::of<Driven>();
};

TEST_F(SdkLoop, TimerFiresOnceAndOnlyWhenItIsDue) {
  int fired = 0;
  lane().timer = lane_host().timer(milliseconds(100), [&] { ++fired; });
  lsmtpd_test_advance(t(), 99);
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(lane().timer);
  lsmtpd_test_advance(t(), 1000);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(lane().timer);
}

std::string text_of(const lsmtpd_dns_answer& answer) {
  std::string text = std::to_string(answer.status) + "/" + std::to_string(answer.rcode) + "/" +
                     std::to_string(answer.ttl);
  for (const lsmtpd_dns_record& record : sdk::DnsRecords(answer))
    text += " " + std::to_string(record.preference) + " " + std::string(sdk::view(record.data));
  return text;
}

TEST_F(SdkLoop, QuestionIsAnsweredOnceWithTheRecordsThatTheTestGave) {
  lsmtpd_test_dns_text(t(), "a.example", LSMTPD_DNS_MX, 60, "10 mx.a.example");
  lsmtpd_test_dns_text(t(), "a.example", LSMTPD_DNS_MX, 30, "20 mx.b.example");
  lsmtpd_test_dns_text(t(), "a.example", LSMTPD_DNS_TXT, 5, "text");
  lsmtpd_test_dns_rcode(t(), "b.example", 7, 2);
  std::vector<std::string> seen;
  const auto ask = [&](const char* name, uint32_t type) {
    lane().question =
        lane_host().query(name, type, milliseconds(1000),
                          [&](const lsmtpd_dns_answer& a) { seen.push_back(text_of(a)); });
    EXPECT_TRUE(lane().question);
    lsmtpd_test_settle(t());
    EXPECT_FALSE(lane().question);
  };
  ask("A.example.", LSMTPD_DNS_MX);
  ask("a.example", LSMTPD_DNS_A);
  ask("b.example", LSMTPD_DNS_A);
  ask("c.example", LSMTPD_DNS_PTR);
  EXPECT_EQ(seen, (std::vector<std::string>{"1/0/30 10 mx.a.example 20 mx.b.example", "1/0/0",
                                            "1/2/7", "1/3/60"}));
  EXPECT_EQ(t()->queries, 4u);
}

TEST_F(SdkLoop, QuestionWithoutAnAnswerEndsAtItsDeadline) {
  t()->no_dns = 1;
  std::string seen;
  lane().question = lane_host().query("a.example", LSMTPD_DNS_A, milliseconds(100),
                                      [&](const lsmtpd_dns_answer& a) { seen = text_of(a); });
  lsmtpd_test_advance(t(), 99);
  EXPECT_EQ(seen, "");
  lsmtpd_test_advance(t(), 1);
  EXPECT_EQ(seen, "2/0/0");
}

TEST_F(SdkLoop, DroppedQuestionIsCancelledAndRefusedOneIsEmpty) {
  lane().question = lane_host().query("a.example", LSMTPD_DNS_A, milliseconds(100),
                                      [](const lsmtpd_dns_answer&) { FAIL(); });
  lane().question = {};
  lsmtpd_test_advance(t(), 1000);
  const auto fails = [](const lsmtpd_dns_answer&) { FAIL(); };
  EXPECT_FALSE(lane_host().query("a b", LSMTPD_DNS_A, milliseconds(100), fails));
  t()->no_query = 1;
  EXPECT_FALSE(lane_host().query("a.example", LSMTPD_DNS_A, milliseconds(100), fails));
}

TEST_F(SdkLoop, QuestionMayBeReplacedInItsOwnCallback) {
  int answers = 0;
  std::function<void()> ask = [&] {
    lane().question = lane_host().query("a.example", LSMTPD_DNS_A, milliseconds(100),
                                        [&](const lsmtpd_dns_answer&) {
                                          if (++answers < 3) ask();
                                        });
  };
  ask();
  lsmtpd_test_settle(t());
  EXPECT_EQ(answers, 3);
}

TEST_F(SdkLoop, TimerMayReplaceItselfInItsOwnCallback) {
  int fired = 0;
  std::function<void()> again = [&] {
    if (++fired < 3) lane().timer = lane_host().timer(milliseconds(10), again);
  };
  again();
  lsmtpd_test_advance(t(), 100);
  EXPECT_EQ(fired, 3);
}

TEST_F(SdkLoop, TimerThatIsDroppedNeverFires) {
  bool fired = false;
  {
    const sdk::Timer dropped = lane_host().timer(milliseconds(10), [&] { fired = true; });
  }
  lsmtpd_test_advance(t(), 100);
  EXPECT_FALSE(fired);
}

TEST_F(SdkLoop, TimerAndWatchThatFailAreEmpty) {
  t()->no_timer = t()->no_watch = 1;
  EXPECT_FALSE(lane_host().timer(milliseconds(1), [] {}));
  EXPECT_FALSE(lane_host().watch(0, LSMTPD_READABLE, [](uint32_t) {}));
}

TEST_F(SdkLoop, MoreWatchesThanTheFakeHostServesAreABrokenRule) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  std::vector<sdk::Watch> watches;
  const auto add = [&] {
    watches.push_back(lane_host().watch(ends[0], LSMTPD_READABLE, [](uint32_t) {}));
  };
  while (watches.size() < LSMTPD_T_WATCHES) add();
  lsmtpd_test_settle(t());
  EXPECT_STREQ(lsmtpd_test_failures(t()), "");
  add();
  lsmtpd_test_settle(t());
  EXPECT_STREQ(lsmtpd_test_failures(t()), "loop: more watches than the fake host serves: 63\n");
  t()->failures.data[t()->failures.size = 0] = '\0';  // the fixture wants none
  watches.clear();
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SdkLoop, WatchReportsAndPausesAndEndsInItsOwnCallback) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  int calls = 0;
  lane().watch = lane_host().watch(ends[0], LSMTPD_READABLE, [&](uint32_t events) {
    EXPECT_EQ(events, LSMTPD_READABLE);
    ++calls;
    lane().watch.stop();
  });
  lsmtpd_test_settle(t());
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  lane().watch.events(0);
  lsmtpd_test_settle(t());
  EXPECT_EQ(calls, 0);
  lane().watch.events(LSMTPD_READABLE);
  lsmtpd_test_settle(t());
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(lane().watch);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SdkLoop, PostsFromAnotherThreadComeInOrder) {
  std::string order;
  std::thread other([this, &order] {
    for (char c = 'a'; c <= 'z'; ++c)
      EXPECT_TRUE(
          lane_host().post([&order, c, move_only = std::make_unique<int>(1)] { order += c; }));
  });
  other.join();
  EXPECT_EQ(order, "");
  lsmtpd_test_settle(t());
  EXPECT_EQ(order, "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(SdkLoop, PostAfterTheLaneIsClosedIsRefused) {
  const sdk::LaneHost kept = lane_host();
  lsmtpd_test_close_lane(t());
  EXPECT_FALSE(kept.post([] { FAIL(); }));
}

TEST_F(SdkLoop, DeferRunsAtTheEndOfTheTurn) {
  std::string order;
  lane_host().post([&] {
    lane_host().defer([&] { order += "deferred"; });
    order += "posted ";
  });
  lsmtpd_test_turn(t(), 0);
  EXPECT_EQ(order, "posted deferred");
}

TEST_F(SdkLoop, OffloadCarriesTheResultBack) {
  t()->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  const lsmtpd_call call = lsmtpd_test_ask_filter(t(), host_.mail());
  auto work = [] { return std::make_unique<std::string>("result"); };
  lane_host().offload(
      work, [this](std::unique_ptr<std::string> result) { lane().held.discard(*result); });
  EXPECT_STREQ(lsmtpd_test_wait(t(), call)->detail, "result");
}

TEST_F(SdkLoop, FailedOffloadDropsItsFunctions) {
  t()->no_offload = 1;
  const lsmtpd_call call = lsmtpd_test_ask_filter(t(), host_.mail());
  EXPECT_FALSE(lane_host().offload([] {}, [held = std::move(lane().held)] {}));
  EXPECT_EQ(lsmtpd_test_wait(t(), call)->kind, LSMTPD_TEMPFAIL);
}

TEST_F(SdkLoop, ExceptionInATaskAnswersTheCallsItHeld) {
  const lsmtpd_call call = lsmtpd_test_ask_filter(t(), host_.mail());
  lane_host().post([held = std::move(lane().held)] { throw std::runtime_error("bad task"); });
  EXPECT_STREQ(lsmtpd_test_wait(t(), call)->detail, "bad task");
  EXPECT_TRUE(host_.logged("what=bad task"));
}

TEST_F(SdkLoop, ResolveGivesAddressesOrAnError) {
  std::string outcome;
  lane_host().resolve("127.0.0.1", 25,
                      [&](sdk::Resolved found) { outcome += std::to_string(found.count); });
  lane_host().resolve("no.such.host.invalid", 25,
                      [&](sdk::Resolved found) { outcome += found.error; });
  lsmtpd_test_settle(t());
  EXPECT_EQ(outcome, "1no such host");
}

TEST_F(SdkLoop, ReservationIsReleased) {
  lsmtpd_test_memory_limit(t(), 100);
  {
    sdk::Reservation first = lane_host().reserve(80);
    EXPECT_TRUE(first);
    EXPECT_EQ(first.bytes(), 80u);
    EXPECT_FALSE(lane_host().reserve(30));
    const sdk::Reservation moved = std::move(first);
    EXPECT_EQ(t()->memory_used, 80);
  }
  EXPECT_EQ(t()->memory_used, 0);
}

TEST_F(SdkLoop, LaneGoesOnlyAfterItsLastTask) {
  t()->offload = LSMTPD_TEST_OFFLOAD_HELD;
  bool done = false;
  lane_host().offload([] {},
                      [&] {
                        done = true;
                        EXPECT_NE(Driven::lane, nullptr);
                      });
  const lsmtpd_lane* raw = lane().raw();
  raw->close(raw, 0);
  lsmtpd_test_settle(t());
  EXPECT_NE(Driven::lane, nullptr);
  t()->offload = LSMTPD_TEST_OFFLOAD_TURN;
  lsmtpd_test_settle(t());
  EXPECT_TRUE(done);
  EXPECT_EQ(Driven::lane, nullptr);
}

TEST_F(SdkLoop, LaneMayCloseLaterFromOneOfItsCallbacks) {
  lane().late = true;
  const lsmtpd_lane* raw = lane().raw();
  raw->close(raw, 0);
  lane().timer = lane_host().timer(milliseconds(10), [this] {
    (*lane().closing)();
    EXPECT_NE(Driven::lane, nullptr) << "it is not destroyed under its own callback";
  });
  lsmtpd_test_advance(t(), 9);
  EXPECT_NE(Driven::lane, nullptr);
  lsmtpd_test_advance(t(), 1);
  EXPECT_EQ(Driven::lane, nullptr);
}

TEST_F(SdkLoop, TimersAndWatchesEndWithTheLane) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  lane().timer = lane_host().timer(milliseconds(1000000), [] {});
  lane().watch = lane_host().watch(ends[0], LSMTPD_READABLE, [](uint32_t) {});
  lsmtpd_test_close_lane(t());  // the fake host would report them
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SdkLoop, EachWorkerHasALaneOfItsOwn) {
  const uint32_t first = lane_host().worker();
  ASSERT_EQ(lsmtpd_test_open_lane(t()), 0);
  EXPECT_EQ(first, 0u);
  EXPECT_EQ(lane_host().worker(), 1u);
}

}  // namespace
