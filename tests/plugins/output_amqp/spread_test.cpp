// SPDX-License-Identifier: Apache-2.0
// Several brokers and several workers: where connections begin, and how many are tried at once.
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

double connections_at(Rig& rig, const std::string& url) {
  return lsmtpd_test_metric(rig.raw(), ("output_connections url=" + url).c_str());
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

}  // namespace
}  // namespace lsmtpd::amqp::test
