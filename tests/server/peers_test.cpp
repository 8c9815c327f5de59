// SPDX-License-Identifier: Apache-2.0
#include "server/peers.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace lsmtpd::server {
namespace {

using Admission = Peers::Admission;

Peers::Limits limits(uint32_t connections, uint32_t per_peer, uint32_t v4 = 32, uint32_t v6 = 64) {
  return {.connections = connections,
          .connections_per_peer = per_peer,
          .prefix_v4 = v4,
          .prefix_v6 = v6,
          .exempt = {}};
}

TEST(PeersTest, AreLimitedInAll) {
  Peers peers(limits(2, 10));
  auto first = peers.enter("192.0.2.1");
  auto second = peers.enter("192.0.2.2");
  EXPECT_EQ(first.admission, Admission::yes);
  EXPECT_EQ(second.admission, Admission::yes);
  EXPECT_EQ(peers.enter("192.0.2.3").admission, Admission::too_many);
  EXPECT_EQ(peers.count(), 2u);
  peers.leave(first.peer);
  EXPECT_EQ(peers.enter("192.0.2.3").admission, Admission::yes);
}

TEST(PeersTest, AreLimitedByAddress) {
  Peers peers(limits(10, 2));
  auto first = peers.enter("192.0.2.1");
  auto second = peers.enter("192.0.2.1");
  EXPECT_EQ(first.peer, second.peer);
  EXPECT_EQ(second.admission, Admission::yes);
  EXPECT_EQ(peers.enter("192.0.2.1").admission, Admission::too_many_from_peer);
  EXPECT_EQ(peers.enter("192.0.2.2").admission, Admission::yes);
  peers.leave(first.peer);
  EXPECT_EQ(peers.enter("192.0.2.1").admission, Admission::yes);
}

// A host that has one address of a /64 has all of them.
TEST(PeersTest, AreNetworks) {
  Peers peers(limits(100, 2));
  auto first = peers.enter("2001:db8::1");
  auto second = peers.enter("2001:db8::ffff:1");
  EXPECT_EQ(first.peer, second.peer);
  EXPECT_EQ(peers.enter("2001:db8:0:0:8000::").admission, Admission::too_many_from_peer);
  EXPECT_EQ(peers.enter("2001:db8:0:1::1").admission, Admission::yes);
}

TEST(PeersTest, ThePrefixIsConfigured) {
  Peers peers(limits(100, 1, 22, 48));
  auto v4 = peers.enter("198.51.100.1");
  EXPECT_EQ(peers.enter("198.51.103.255").admission, Admission::too_many_from_peer);
  EXPECT_EQ(peers.enter("198.51.104.1").admission, Admission::yes);
  auto v6 = peers.enter("2001:db8:1:1::1");
  EXPECT_EQ(peers.enter("2001:db8:1:2::1").admission, Admission::too_many_from_peer);
  EXPECT_EQ(peers.enter("2001:db8:2:1::1").admission, Admission::yes);
}

TEST(PeersTest, ThatAreExemptHaveAsManyConnectionsAsThereAreInAll) {
  auto some = limits(4, 1);
  some.exempt = {*parse_network("192.0.2.0/24"), *parse_network("2001:db8::/48")};
  Peers peers(some);
  auto first = peers.enter("192.0.2.1");
  auto second = peers.enter("192.0.2.1");
  EXPECT_EQ(second.admission, Admission::yes);
  EXPECT_EQ(first.peer, second.peer);
  EXPECT_TRUE(first.peer->exempt);
  auto v6 = peers.enter("2001:db8:0:1::1");
  auto mapped = peers.enter("::ffff:192.0.2.1");
  EXPECT_EQ(mapped.admission, Admission::yes);
  EXPECT_EQ(peers.enter("192.0.2.1").admission, Admission::too_many);
  for (const auto& one : {first, second, v6, mapped}) peers.leave(one.peer);
}

TEST(PeersTest, AnAddressThatIsExemptDoesNotExemptItsPrefix) {
  auto some = limits(100, 1, 24);
  some.exempt = {*parse_network("192.0.2.1")};
  Peers peers(some);
  auto exempt = peers.enter("192.0.2.1");
  auto other = peers.enter("192.0.2.2");
  EXPECT_EQ(other.admission, Admission::yes);
  EXPECT_NE(exempt.peer, other.peer);
  EXPECT_FALSE(other.peer->exempt);
  EXPECT_EQ(peers.enter("192.0.2.3").admission, Admission::too_many_from_peer);
  for (const auto& one : {exempt, other}) peers.leave(one.peer);
}

TEST(PeersTest, AReloadExemptsTheNextConnection) {
  Peers peers(limits(100, 1));
  auto first = peers.enter("192.0.2.1");
  EXPECT_EQ(peers.enter("192.0.2.1").admission, Admission::too_many_from_peer);
  auto now = limits(100, 1);
  now.exempt = {*parse_network("192.0.2.1")};
  peers.set_limits(now);
  auto second = peers.enter("192.0.2.1");
  EXPECT_EQ(second.admission, Admission::yes);
  for (const auto& one : {first, second}) peers.leave(one.peer);
}

// Else a peer that leaves its messages in the chain would have nothing when it comes again.
TEST(PeersTest, KeepTheirCountsAsLongAsSomethingIsHeldForThem) {
  Peers peers(limits(100, 10));
  auto entered = peers.enter("192.0.2.1");
  {
    PeerReservation share(entered.peer);
    share.add(1000);
    peers.leave(entered.peer);
    entered.peer.reset();
    EXPECT_EQ(peers.count(), 0u);
    auto again = peers.enter("192.0.2.1");
    EXPECT_EQ(again.peer->memory, 1000u);
    peers.leave(again.peer);
  }
  EXPECT_EQ(peers.enter("192.0.2.1").peer->memory, 0u);
}

// Else a peer's failed guesses are forgotten when another one comes and goes often enough.
TEST(PeersTest, OnePeerThatComesAgainAndAgainDrivesOutNobody) {
  Peers peers({10, 10, 32, 64, {}});
  auto guessing = peers.enter("192.0.2.1").peer;
  const std::weak_ptr<Peer> known = guessing;
  peers.leave(guessing);
  guessing.reset();
  for (int i = 0; i < 3000; ++i) peers.leave(peers.enter("192.0.2.2").peer);
  EXPECT_FALSE(known.expired());
}

TEST(PeersTest, CountAcrossThreads) {
  Peers peers(limits(100, 50));
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        auto [admission, peer] = peers.enter("192.0.2.1");
        if (admission != Admission::yes) continue;
        EXPECT_LE(peers.count(), 50u);
        peers.leave(peer);
      }
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(peers.count(), 0u);
}

TEST(LineLimiter, LetsSoManyLinesThroughAMinuteAndCountsTheOthers) {
  LineLimiter lines(2);
  EXPECT_EQ(lines.admit(1000), 0u);
  EXPECT_EQ(lines.admit(1000), 0u);
  EXPECT_EQ(lines.admit(2000), std::nullopt);
  EXPECT_EQ(lines.admit(60'999, 10), std::nullopt) << "it stands for ten";
  EXPECT_EQ(lines.admit(61'000), 11u);
  EXPECT_EQ(lines.admit(61'000), 0u);
}

}  // namespace
}  // namespace lsmtpd::server
