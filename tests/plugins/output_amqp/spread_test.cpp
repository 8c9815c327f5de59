// SPDX-License-Identifier: Apache-2.0
// Several brokers and several workers: where connections begin, how they come back to a broker that
// returned, and how many are tried at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

double connections_at(Rig& rig, const std::string& url) {
  return lsmtpd_test_metric(rig.raw(), ("output_connections url=" + url).c_str());
}

double moves(Rig& rig) {
  return lsmtpd_test_metric(rig.raw(), "output_moves_total");
}

Script on(const char* host, std::uint16_t port = 0) {
  Script script;
  script.host = host;
  script.port = port;
  return script;
}

// Time runs here independent of the peers' threads.
Rig& patient(Rig& rig) {
  return rig.option("idle_timeout", "0s").option("connect_timeout", "10m");
}

// Time goes on until `condition`; each step leaves the peers' threads some turns.
bool in_time(Rig& rig, const std::function<bool()>& condition, std::uint64_t step_ms = 1000) {
  return rig.until([&] {
    if (condition()) return true;
    rig.turn(3);
    rig.advance(step_ms);
    return false;
  });
}

void open_lanes(Rig& rig, int count) {
  rig.raw()->workers = static_cast<std::uint32_t>(count);
  ASSERT_EQ(rig.start(), 0);
  for (int lane = 1; lane < count; ++lane) ASSERT_EQ(lsmtpd_test_open_lane(rig.raw()), 0);
}

TEST(Spread, EachWorkerBeginsAtABrokerOfItsOwn) {
  Peer a({});
  Peer b({});
  Peer c({});
  Rig rig;
  rig.option("urls", a.url()).option("urls", b.url()).option("urls", c.url());
  rig.option("address", "mail");
  open_lanes(patient(rig), 6);
  ASSERT_TRUE(in_time(
      rig, [&] { return a.attached().size() + b.attached().size() + c.attached().size() == 6; }));
  for (const Peer* peer : {&a, &b, &c}) {
    EXPECT_EQ(peer->attached().size(), 2U);
    EXPECT_EQ(connections_at(rig, peer->url()), 2);
  }
}

TEST(Spread, WithoutItAllBeginAtTheFirst) {
  Peer a({});
  Peer b({});
  Rig rig;
  rig.option("urls", a.url()).option("urls", b.url()).option("address", "mail");
  rig.option("spread", "false");
  open_lanes(patient(rig), 4);
  ASSERT_TRUE(in_time(rig, [&] { return a.attached().size() == 4; }));
  EXPECT_EQ(b.connections(), 0U);
}

TEST(Spread, WorkersDifferInTheAddressOfAName) {
  Peer a({});
  Peer b(on("127.0.0.2", a.port()));
  Peer c(on("127.0.0.3", a.port()));
  Rig rig;
  rig.raw()->addresses = "127.0.0.3 127.0.0.1 127.0.0.2";
  rig.option("urls", "amqp://broker.example:" + std::to_string(a.port()));
  rig.option("address", "mail");
  open_lanes(patient(rig), 3);
  ASSERT_TRUE(in_time(rig, [&] {
    return a.attached().size() == 1 && b.attached().size() == 1 && c.attached().size() == 1;
  }));
}

TEST(Spread, AChangedAnswerIsFollowed) {
  Peer old({});
  Rig rig;
  rig.raw()->addresses = "127.0.0.1";
  rig.option("urls", "amqp://broker.example:" + std::to_string(old.port()));
  patient(rig).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(in_time(rig, [&] { return old.attached().size() == 1; }));
  Peer moved(on("127.0.0.2", old.port()));
  rig.raw()->addresses = "127.0.0.2";
  // Answers are shared for a second of the machine's clock.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  old.drop();
  ASSERT_TRUE(in_time(rig, [&] { return moved.attached().size() == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(old.connections(), 1U);
}

TEST(Spread, ConnectionsASecondAreLimitedForAllWorkers) {
  Peer peer({});
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("connect_rate", "4");
  open_lanes(patient(rig), 8);
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
  rig.turn(50);
  EXPECT_EQ(peer.connections(), 2U) << "half of a second's at once";
  rig.advance(1000);
  rig.turn(50);
  EXPECT_EQ(peer.connections(), 4U) << "the others evenly";
  ASSERT_TRUE(in_time(rig, [&] { return peer.attached().size() == 8; }));
}

// A broker that is down at first, and one that is used instead.
class Away {
 public:
  Away() {
    Peer gone({});
    port_ = gone.port();
    url_ = gone.url();
  }
  // One lane, at the second broker.
  void start(Rig& rig, Peer& second) {
    rig.option("urls", url_).option("urls", second.url()).option("address", "mail");
    rig.option("spread", "false");
    patient(rig);
    ASSERT_EQ(rig.start(), 0);
    ASSERT_TRUE(rig.until([&] { return second.attached().size() == 1; }));
  }
  Script script() const { return on("127.0.0.1", port_); }
  const std::string& url() const { return url_; }

 private:
  std::uint16_t port_ = 0;
  std::string url_;
};

TEST(Rebalance, GoesBackOnceTheBrokerIsThere) {
  Away away;
  Peer second({});
  Rig rig;
  away.start(rig, second);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(connections_at(rig, second.url()), 1);
  Peer home(away.script());
  rig.turn(20);
  EXPECT_EQ(home.connections(), 0U) << "not before half the interval";
  ASSERT_TRUE(in_time(rig, [&] { return home.attached().size() == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(home.messages().size(), 1U);
  EXPECT_EQ(second.messages().size(), 1U);
  EXPECT_EQ(home.connections(), 2U) << "the trial, and the lane's own";
  EXPECT_EQ(connections_at(rig, second.url()), 0);
  EXPECT_EQ(connections_at(rig, away.url()), 1);
  EXPECT_EQ(moves(rig), 1);
  EXPECT_THAT(rig.log(), HasSubstr("going back to the preferred broker"));
  EXPECT_THAT(rig.log(), Not(HasSubstr("connection to the broker lost")));
  // It is at home now.
  rig.turn();
  for (int minute = 0; minute < 5; ++minute) {
    rig.advance(60'000);
    rig.turn(5);
  }
  EXPECT_EQ(home.connections(), 2U);
}

TEST(Rebalance, ZeroIsNever) {
  Away away;
  Peer second({});
  Rig rig;
  rig.option("rebalance", "0s");
  away.start(rig, second);
  Peer home(away.script());
  for (int minute = 0; minute < 5; ++minute) {
    rig.advance(60'000);
    rig.turn(5);
  }
  EXPECT_EQ(home.connections(), 0U);
}

TEST(Rebalance, WhatIsUnsettledIsWaitedForAndWhatWaitsMovesAlong) {
  Away away;
  Script holds;
  holds.answer = [](std::size_t, const std::string&) { return Answer{Answer::hold}; };
  Peer second(holds);
  Rig rig;
  away.start(rig, second);
  const lsmtpd_call first = rig.send();
  ASSERT_TRUE(rig.until([&] { return second.held() == 1; }));
  Peer home(away.script());
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 1; }));
  // The trial lasts for a second, then all is on hold.
  for (int i = 0; i < 12; ++i) {
    rig.turn(5);
    rig.advance(100);
  }
  rig.turn(5);
  const lsmtpd_call later = rig.send();
  rig.turn(20);
  EXPECT_EQ(rig.answer(first), nullptr);
  EXPECT_EQ(rig.answer(later), nullptr);
  EXPECT_EQ(second.messages().size(), 1U) << "nothing more goes there";
  second.settle_held({Answer::accept});
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_STORED);
  ASSERT_TRUE(rig.until([&] { return home.attached().size() == 1; }));
  EXPECT_EQ(rig.wait(later).kind, LSMTPD_STORED);
  EXPECT_EQ(home.messages().size(), 1U);
  EXPECT_EQ(second.messages().size(), 1U);
}

TEST(Rebalance, OutcomesThatTakeLongKeepTheConnectionWhereItIs) {
  Away away;
  Script holds;
  holds.answer = [](std::size_t number, const std::string&) {
    return Answer{number == 0 ? Answer::hold : Answer::accept};
  };
  Peer second(holds);
  Rig rig;
  away.start(rig, second);
  const lsmtpd_call first = rig.send();
  ASSERT_TRUE(rig.until([&] { return second.held() == 1; }));
  Peer home(away.script());
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 1; }));
  for (int i = 0; i < 35; ++i) {
    rig.turn(5);
    rig.advance(100);
  }
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << "the hold is over";
  EXPECT_EQ(second.messages().size(), 2U);
  EXPECT_EQ(moves(rig), 0);
  second.settle_held({Answer::accept});
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_STORED);
  ASSERT_TRUE(in_time(rig, [&] { return home.attached().size() == 1; }));
}

TEST(Rebalance, ABrokerThatRefusesItsOpenIsNotMovedTo) {
  Away away;
  Peer second({});
  Rig rig;
  away.start(rig, second);
  const std::string before = rig.log();
  Script refuses = away.script();
  refuses.refuse_open = "amqp:not-allowed";
  Peer home(refuses);
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 3; }));
  rig.turn(10);
  EXPECT_EQ(moves(rig), 0);
  EXPECT_EQ(second.connections(), 1U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(rig.log().substr(before.size()), Not(HasSubstr("not reached")));
}

TEST(Rebalance, WhereTheTargetIsRefusedItGoesOnAgain) {
  Away away;
  Peer second({});
  Rig rig;
  away.start(rig, second);
  Script refuses = away.script();
  refuses.refuse_attach = "amqp:not-found";
  Peer home(refuses);
  ASSERT_TRUE(in_time(rig, [&] { return second.attached().size() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(second.messages().size(), 1U);
  EXPECT_EQ(moves(rig), 1);
  const std::size_t tried = home.connections();
  for (int minute = 0; minute < 4; ++minute) {
    rig.advance(60'000);
    rig.turn(5);
  }
  EXPECT_EQ(home.connections(), tried) << "it rests";
}

TEST(Rebalance, ALaneThatClosesDuringATrialEndsBoth) {
  Away away;
  Peer second({});
  Rig rig;
  away.start(rig, second);
  Script silent = away.script();
  silent.silent = true;
  Peer home(silent);
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 1; }));
  EXPECT_EQ(rig.finish(), "");
}

TEST(Rebalance, ALaneThatClosesWhileItMovesEnds) {
  Away away;
  Script script;
  script.ignores_close = true;
  Peer second(script);
  Rig rig;
  away.start(rig, second);
  Peer home(away.script());
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 1; }));
  ASSERT_TRUE(in_time(
      rig, [&] { return moves(rig) == 1; }, 100));
  EXPECT_EQ(rig.finish(), "");
  EXPECT_EQ(home.attached().size(), 0U);
}

// The connection is lost while the trial goes on: it is made again as ever, and no move follows.
TEST(Rebalance, ALossEndsTheTrial) {
  Away away;
  Peer second({});
  Rig rig;
  away.start(rig, second);
  Script silent = away.script();
  silent.silent = true;
  Peer home(silent);
  ASSERT_TRUE(in_time(rig, [&] { return home.connections() == 1; }));
  second.drop();
  ASSERT_TRUE(in_time(
      rig, [&] { return second.attached().size() == 2; }, 100));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(moves(rig), 0);
}

// Of a name: the connection goes back to its own address, once the name had the same addresses at
// two checks.
TEST(Rebalance, GoesBackToItsAddressOfAName) {
  Peer a({});
  const std::uint16_t port = a.port();
  auto b = std::make_unique<Peer>(on("127.0.0.2", port));
  Rig rig;
  rig.raw()->addresses = "127.0.0.1 127.0.0.2";
  rig.option("urls", "amqp://broker.example:" + std::to_string(port)).option("address", "mail");
  open_lanes(patient(rig), 2);
  ASSERT_TRUE(in_time(rig, [&] { return a.attached().size() == 1 && b->attached().size() == 1; }));
  b.reset();
  ASSERT_TRUE(in_time(
      rig, [&] { return a.attached().size() == 2; }, 100));
  Peer again(on("127.0.0.2", port));
  ASSERT_TRUE(in_time(
      rig, [&] { return again.attached().size() == 1; }, 5000));
  EXPECT_EQ(moves(rig), 1);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
