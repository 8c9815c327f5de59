// SPDX-License-Identifier: Apache-2.0
// How connections come back to a broker that returned.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "several.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A broker that is down at first, with home_script(), and one that is used instead: `second`.
class Rebalance : public testing::Test {
 protected:
  Rebalance() {
    Peer gone({});
    port_ = gone.port();
    url_ = gone.url();
  }
  // One lane, at the second broker.
  void start(const Script& script = {}) {
    second_ = std::make_unique<Peer>(script);
    use_brokers(rig, {url_, second().url()});
    rig.option("spread", "false");
    ASSERT_EQ(rig.start(), 0);
    ASSERT_TRUE(rig.until([&] { return second().attached().size() == 1; }));
  }
  Peer& second() { return *second_; }
  Script home_script() const { return on("127.0.0.1", port_); }
  const std::string& home_url() const { return url_; }
  bool tried(Peer& home, std::size_t connections = 1) {
    return in_time(rig, [&] { return home.connections() == connections; });
  }

 private:
  std::uint16_t port_ = 0;
  std::string url_;
  std::unique_ptr<Peer> second_;

 protected:
  Rig rig;  // ends before the brokers
};

TEST_F(Rebalance, GoesBackOnceTheBrokerIsThere) {
  start();
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(connections_at(rig, second().url()), 1);
  Peer home(home_script());
  rig.turn(20);
  EXPECT_EQ(home.connections(), 0U) << "not before half the interval";
  ASSERT_TRUE(in_time(rig, [&] { return home.attached().size() == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(home.messages().size(), 1U);
  EXPECT_EQ(second().messages().size(), 1U);
  EXPECT_EQ(home.connections(), 2U) << "the trial, and the lane's own";
  EXPECT_EQ(connections_at(rig, second().url()), 0);
  EXPECT_EQ(connections_at(rig, home_url()), 1);
  EXPECT_EQ(moves(rig), 1);
  EXPECT_THAT(rig.log(), HasSubstr("going back to the preferred broker"));
  EXPECT_THAT(rig.log(), Not(HasSubstr("connection to the broker lost")));
  // It is at home now.
  rig.turn();
  minutes_pass(rig, 5);
  EXPECT_EQ(home.connections(), 2U);
}

TEST_F(Rebalance, ZeroIsNever) {
  rig.option("rebalance", "0s");
  start();
  Peer home(home_script());
  minutes_pass(rig, 5);
  EXPECT_EQ(home.connections(), 0U);
}

TEST_F(Rebalance, WhatIsUnsettledIsWaitedForAndWhatWaitsMovesAlong) {
  Script holds;
  holds.answer = [](std::size_t, const std::string&) { return Answer{Answer::hold}; };
  start(holds);
  const lsmtpd_call first = rig.send();
  ASSERT_TRUE(rig.until([&] { return second().held() == 1; }));
  Peer home(home_script());
  ASSERT_TRUE(tried(home));
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
  EXPECT_EQ(second().messages().size(), 1U) << "nothing more goes there";
  second().settle_held({Answer::accept});
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_STORED);
  ASSERT_TRUE(rig.until([&] { return home.attached().size() == 1; }));
  EXPECT_EQ(rig.wait(later).kind, LSMTPD_STORED);
  EXPECT_EQ(home.messages().size(), 1U);
  EXPECT_EQ(second().messages().size(), 1U);
}

TEST_F(Rebalance, OutcomesThatTakeLongKeepTheConnectionWhereItIs) {
  Script holds;
  holds.answer = [](std::size_t number, const std::string&) {
    return Answer{number == 0 ? Answer::hold : Answer::accept};
  };
  start(holds);
  const lsmtpd_call first = rig.send();
  ASSERT_TRUE(rig.until([&] { return second().held() == 1; }));
  Peer home(home_script());
  ASSERT_TRUE(tried(home));
  for (int i = 0; i < 35; ++i) {
    rig.turn(5);
    rig.advance(100);
  }
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << "the hold is over";
  EXPECT_EQ(second().messages().size(), 2U);
  EXPECT_EQ(moves(rig), 0);
  second().settle_held({Answer::accept});
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_STORED);
  ASSERT_TRUE(in_time(rig, [&] { return home.attached().size() == 1; }));
}

TEST_F(Rebalance, ABrokerThatRefusesItsOpenIsNotMovedTo) {
  start();
  const std::string before = rig.log();
  Script refuses = home_script();
  refuses.refuse_open = "amqp:not-allowed";
  Peer home(refuses);
  ASSERT_TRUE(tried(home, 3));
  rig.turn(10);
  EXPECT_EQ(moves(rig), 0);
  EXPECT_EQ(second().connections(), 1U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(rig.log().substr(before.size()), Not(HasSubstr("not reached")));
}

TEST_F(Rebalance, WhereTheTargetIsRefusedItGoesOnAgain) {
  start();
  Script refuses = home_script();
  refuses.refuse_attach = "amqp:not-found";
  Peer home(refuses);
  ASSERT_TRUE(in_time(rig, [&] { return second().attached().size() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(second().messages().size(), 1U);
  EXPECT_EQ(moves(rig), 1);
  const std::size_t tried = home.connections();
  minutes_pass(rig, 4);
  EXPECT_EQ(home.connections(), tried) << "it rests";
}

TEST_F(Rebalance, ALaneThatClosesDuringATrialEndsBoth) {
  start();
  Script silent = home_script();
  silent.silent = true;
  Peer home(silent);
  ASSERT_TRUE(tried(home));
  EXPECT_EQ(rig.finish(), "");
}

TEST_F(Rebalance, ALaneThatClosesWhileItMovesEnds) {
  Script script;
  script.ignores_close = true;
  start(script);
  Peer home(home_script());
  ASSERT_TRUE(tried(home));
  ASSERT_TRUE(in_time(
      rig, [&] { return moves(rig) == 1; }, 100));
  EXPECT_EQ(rig.finish(), "");
  EXPECT_EQ(home.attached().size(), 0U);
}

// The connection is lost while the trial goes on: it is made again as ever, and no move follows.
TEST_F(Rebalance, ALossEndsTheTrial) {
  start();
  Script silent = home_script();
  silent.silent = true;
  Peer home(silent);
  ASSERT_TRUE(tried(home));
  second().drop();
  ASSERT_TRUE(in_time(
      rig, [&] { return second().attached().size() == 2; }, 100));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(moves(rig), 0);
}

// Of a name: the connection goes back to its own address, once the name had the same addresses at
// two checks.
TEST_F(Rebalance, GoesBackToItsAddressOfAName) {
  Peer a({});
  const std::uint16_t port = a.port();
  auto b = std::make_unique<Peer>(on("127.0.0.2", port));
  rig.raw()->addresses = "127.0.0.1 127.0.0.2";
  use_brokers(rig, {named(port)});
  open_lanes(rig, 2);
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
