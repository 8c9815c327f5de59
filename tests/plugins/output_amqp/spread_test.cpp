// SPDX-License-Identifier: Apache-2.0
// Several brokers and several workers: where connections begin, and how many are tried at once.
#include <gtest/gtest.h>

#include "several.hpp"

namespace lsmtpd::amqp::test {
namespace {

TEST(Spread, EachWorkerBeginsAtABrokerOfItsOwn) {
  Peer a({});
  Peer b({});
  Peer c({});
  Rig rig;
  use_brokers(rig, {a.url(), b.url(), c.url()});
  open_lanes(rig, 6);
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
  use_brokers(rig, {a.url(), b.url()});
  rig.option("spread", "false");
  open_lanes(rig, 4);
  ASSERT_TRUE(in_time(rig, [&] { return a.attached().size() == 4; }));
  EXPECT_EQ(b.connections(), 0U);
}

TEST(Spread, WorkersDifferInTheAddressOfAName) {
  Peer a({});
  Peer b(on("127.0.0.2", a.port()));
  Peer c(on("127.0.0.3", a.port()));
  Rig rig;
  rig.raw()->addresses = "127.0.0.3 127.0.0.1 127.0.0.2";
  use_brokers(rig, {named(a.port())});
  open_lanes(rig, 3);
  ASSERT_TRUE(in_time(rig, [&] {
    return a.attached().size() == 1 && b.attached().size() == 1 && c.attached().size() == 1;
  }));
}

TEST(Spread, AChangedAnswerIsFollowed) {
  Peer old({});
  Rig rig;
  rig.raw()->addresses = "127.0.0.1";
  use_brokers(rig, {named(old.port())});
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
  use_brokers(rig, {peer.url()});
  rig.option("connect_rate", "4");
  open_lanes(rig, 8);
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
  rig.turn(50);
  EXPECT_EQ(peer.connections(), 2U) << "half of a second's at once";
  rig.advance(1000);
  rig.turn(50);
  EXPECT_EQ(peer.connections(), 4U) << "the others evenly";
  ASSERT_TRUE(in_time(rig, [&] { return peer.attached().size() == 8; }));
}

}  // namespace
}  // namespace lsmtpd::amqp::test
