// SPDX-License-Identifier: Apache-2.0
// The memory of TLS sessions and the handshakes under way: shared by peers, with room for
// newcomers.
#include "server/tls_room.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace lsmtpd::server {
namespace {

constexpr uint64_t kTimeout = 30'000;
constexpr uint64_t kOwn = kTimeout / TlsHandshakes::kOwnPart;

class TlsRoomTest : public testing::Test {
 protected:
  // A session, as server::Connection has it.
  struct Session {
    Session(TlsRoomTest& test, const std::string& address)
        : entered(test.peers_.enter(address)),
          peers(test.peers_),
          account(std::in_place, test.room_, test.handshakes_, entered.peer) {}
    ~Session() { peers.leave(entered.peer); }
    bool begin(uint64_t now_ms) {
      return account->begin_handshake(now_ms, kTimeout, [this] {
        given_up = true;
        (void)account->resize(0);
        account->end_handshake(false);
      });
    }
    void establish() {
      account->end_handshake(true);
      EXPECT_TRUE(account->resize(io::TlsStream::kIdleCost));
    }
    Peers::Entered entered;
    Peers& peers;
    std::optional<TlsAccount> account;
    bool given_up = false;
  };
  Session& session(const std::string& address) {
    return *sessions_.emplace_back(std::make_unique<Session>(*this, address));
  }
  static std::string address(size_t number) {
    return "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
  }
  // One half handshake of each of `count` addresses; how many found room.
  size_t crowd(size_t count, uint64_t now_ms, size_t first = 0) {
    size_t found = 0;
    for (size_t i = 0; i < count; ++i) found += session(address(first + i)).begin(now_ms);
    return found;
  }

  Peers peers_{{.connections = 100'000,
                .connections_per_peer = 1000,
                .prefix_v4 = 32,
                .prefix_v6 = 64,
                .exempt = {}}};
  TlsRoom room_{40u << 20};
  TlsHandshakes handshakes_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

TEST_F(TlsRoomTest, HalfOfItIsForHandshakes) {
  EXPECT_EQ(room_.most_handshakes(), (20u << 20) / io::TlsStream::kHandshakeCost);
  EXPECT_EQ(crowd(1000, 0), room_.most_handshakes());
  EXPECT_EQ(room_.handshakes, room_.most_handshakes());
  EXPECT_EQ(handshakes_.count(), room_.most_handshakes());
  sessions_.clear();
  EXPECT_EQ(room_.handshakes, 0u);
  EXPECT_EQ(handshakes_.count(), 0u);
  EXPECT_EQ(room_.memory.used(), 0u);
}

TEST_F(TlsRoomTest, OnePeerHasAShareOfThem) {
  size_t found = 0;
  for (size_t i = 0; i < 600; ++i) found += session("192.0.2.1").begin(0);
  EXPECT_LE(found, room_.most_handshakes() / 2 + 1);
  EXPECT_TRUE(session("192.0.2.2").begin(0)) << "room is left for others";
}

TEST_F(TlsRoomTest, AnEstablishedSessionLeavesRoomForHandshakes) {
  for (size_t i = 0; i < 1000; ++i) {
    Session& one = session(address(i));
    ASSERT_TRUE(one.begin(0)) << i;
    one.establish();
  }
  EXPECT_EQ(room_.handshakes, 0u);
  EXPECT_EQ(room_.memory.used(), 1000 * io::TlsStream::kIdleCost);
}

TEST_F(TlsRoomTest, WithoutRoomNothingIsHeld) {
  crowd(1000, 0);
  const uint64_t used = room_.memory.used();
  Session& late = session("192.0.2.1");
  EXPECT_FALSE(late.begin(kOwn - 1));
  EXPECT_EQ(room_.memory.used(), used);
  EXPECT_EQ(late.entered.peer->handshakes, 0u);
  EXPECT_FALSE(late.entered.peer->tls_failed) << "it never began";
}

TEST_F(TlsRoomTest, ANewcomerTakesThePlaceOfTheOldestThatHasHadItsTime) {
  crowd(1000, 1000);
  Session& newcomer = session("192.0.2.1");
  EXPECT_FALSE(newcomer.begin(1000 + kOwn - 1));
  EXPECT_TRUE(newcomer.begin(1000 + kOwn));
  EXPECT_TRUE(sessions_[0]->given_up);
  EXPECT_FALSE(sessions_[1]->given_up);
  EXPECT_EQ(room_.handshakes, room_.most_handshakes());
  newcomer.establish();
  EXPECT_FALSE(newcomer.entered.peer->tls_failed);
}

// However often they come again: a peer whose handshake has failed takes nobody's place.
TEST_F(TlsRoomTest, AThousandAddressesDoNotKeepAGoodClientOutForLongerThanTheTimeout) {
  std::vector<std::unique_ptr<Session>> crowd(1000);
  uint64_t admitted_at = 0;
  for (uint64_t now = 0; now <= kTimeout && admitted_at == 0; now += 200) {
    for (size_t i = 0; i < crowd.size(); ++i) {
      if (crowd[i] != nullptr && !crowd[i]->given_up) continue;
      auto again = std::make_unique<Session>(*this, address(i));
      crowd[i].reset();
      if (again->begin(now)) crowd[i] = std::move(again);
    }
    Session good(*this, "192.0.2.1");  // the last in each round
    if (good.begin(now)) admitted_at = now;
  }
  EXPECT_GT(admitted_at, 0u);
  EXPECT_LT(admitted_at, kTimeout / 2) << "in ms";
}

TEST_F(TlsRoomTest, APeerThatFailedIsANewcomerAgainAfterASession) {
  Session& first = session("192.0.2.1");
  ASSERT_TRUE(first.begin(0));
  first.account->end_handshake(false);
  (void)first.account->resize(0);
  crowd(1000, 0);
  EXPECT_FALSE(session("192.0.2.1").begin(kOwn)) << "its last one failed";
  first.entered.peer->tls_failed = false;
  EXPECT_TRUE(session("192.0.2.1").begin(kOwn));
  EXPECT_FALSE(session("192.0.2.1").begin(kOwn)) << "it has one under way";
}

}  // namespace
}  // namespace lsmtpd::server
