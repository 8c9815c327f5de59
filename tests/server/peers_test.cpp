// SPDX-License-Identifier: Apache-2.0
#include "server/peers.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace lsmtpd::server {
namespace {

using Admitted = Peers::Admitted;

TEST(PeersTest, AreLimitedInAll) {
  Peers peers(2, 10);
  EXPECT_EQ(peers.enter("192.0.2.1"), Admitted::yes);
  EXPECT_EQ(peers.enter("192.0.2.2"), Admitted::yes);
  EXPECT_EQ(peers.enter("192.0.2.3"), Admitted::too_many);
  EXPECT_EQ(peers.count(), 2u);
  peers.leave("192.0.2.1");
  EXPECT_EQ(peers.enter("192.0.2.3"), Admitted::yes);
}

TEST(PeersTest, AreLimitedByAddress) {
  Peers peers(10, 2);
  EXPECT_EQ(peers.enter("192.0.2.1"), Admitted::yes);
  EXPECT_EQ(peers.enter("192.0.2.1"), Admitted::yes);
  EXPECT_EQ(peers.enter("192.0.2.1"), Admitted::too_many_from_peer);
  EXPECT_EQ(peers.enter("192.0.2.2"), Admitted::yes);
  peers.leave("192.0.2.1");
  EXPECT_EQ(peers.enter("192.0.2.1"), Admitted::yes);
}

TEST(PeersTest, CountAcrossThreads) {
  Peers peers(100, 50);
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        if (peers.enter("192.0.2.1") != Admitted::yes) continue;
        EXPECT_LE(peers.count(), 50u);
        peers.leave("192.0.2.1");
      }
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(peers.count(), 0u);
}

}  // namespace
}  // namespace lsmtpd::server
