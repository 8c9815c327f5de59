// SPDX-License-Identifier: Apache-2.0
// The parts of a connection, each by itself: its timers, its memory, the body it receives.
#include <gtest/gtest.h>

#include "server/connection_timers.hpp"
#include "server/memory_account.hpp"
#include "server/message_receiver.hpp"

namespace lsmtpd::server {
namespace {

constexpr Peers::Limits kPeerLimits{.connections = 1000,
                                    .connections_per_peer = 1000,
                                    .prefix_v4 = 32,
                                    .prefix_v6 = 64,
                                    .exempt = {}};

class ConnectionTimersTest : public testing::Test {
 protected:
  void pass(uint64_t ms) { clock_.advance(clock_.now() + ms); }

  Limits limits_{.message_size = 0, .unread_replies = 0, .data_rate = 100, .turn_ns = 0};
  Timeouts timeouts_{
      .command = 5000, .data_idle = 3000, .session = 60'000, .proxy = 5000, .tls = 30'000};
  int idle_ = 0, session_ = 0, too_slow_ = 0;
  Deadlines clock_{1'000'000};
  ConnectionTimers timers_{
      limits_, timeouts_, {[this] { ++idle_; }, [this] { ++session_; }, [this] { ++too_slow_; }}};
};

TEST_F(ConnectionTimersTest, ACommandHasItsTimeFromTheEndOfTheOneBefore) {
  timers_.expect_client(clock_, {false, false, 1, 0});
  pass(4000);
  timers_.expect_client(clock_, {false, false, 1, 0});  // half a command
  pass(1000);
  EXPECT_EQ(idle_, 1);
  timers_.expect_client(clock_, {false, false, 2, 0});
  pass(4000);
  timers_.expect_client(clock_, {false, false, 3, 0});  // a whole one
  pass(4000);
  EXPECT_EQ(idle_, 1);
}

TEST_F(ConnectionTimersTest, DataHasItsTimeFromEachPiece) {
  for (uint64_t octets = 1000; octets < 5000; octets += 1000) {
    timers_.expect_client(clock_, {true, true, 1, octets});
    pass(2900);
  }
  EXPECT_EQ(idle_, 0);
  pass(100);
  EXPECT_EQ(idle_, 1);
}

TEST_F(ConnectionTimersTest, WhileTheClientWaitsForUsNothingRunsButTheSession) {
  timers_.begin_session(clock_);
  timers_.expect_client(clock_, {true, true, 1, 0});
  timers_.expect_us(clock_);
  pass(59'999);
  EXPECT_EQ(idle_ + too_slow_ + session_, 0);
  pass(1);
  EXPECT_EQ(session_, 1);
}

TEST_F(ConnectionTimersTest, DataIsTooSlowBelowTheRateOfAWindow) {
  timeouts_.data_idle = 3'600'000;
  timers_.expect_client(clock_, {true, true, 1, 500});
  timers_.expect_client(clock_, {true, true, 1, 500 + 3000});  // 100 a second in 30 s
  pass(ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 0);
  timers_.expect_client(clock_, {true, true, 1, 500 + 3000 + 2999});
  pass(ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 1);
}

// Many small chunks are not many windows.
TEST_F(ConnectionTimersTest, ChunksOfOneMessageShareAWindow) {
  timers_.expect_client(clock_, {true, true, 1, 0});
  for (uint32_t chunk = 1; chunk <= 30; ++chunk) {
    timers_.expect_client(clock_, {false, true, chunk, chunk});  // BDAT 1, its octet, and a wait
    pass(1000);
  }
  EXPECT_EQ(too_slow_, 1);
  timers_.expect_client(clock_, {false, false, 40, 0});
  pass(2 * ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 1) << "no message, no rate";
}

TEST_F(ConnectionTimersTest, TimeInWhichTheClientWaitsForUsIsNotItsOwn) {
  timeouts_.data_idle = 3'600'000;
  timers_.expect_client(clock_, {true, true, 1, 0});
  timers_.expect_client(clock_, {true, true, 1, 1000});  // in 10 s
  pass(10'000);
  timers_.expect_us(clock_);
  pass(20'000);  // the window's end
  EXPECT_EQ(too_slow_, 0);
  pass(5000);
  timers_.expect_client(clock_, {true, true, 1, 1000});
  pass(25'000);
  EXPECT_EQ(too_slow_, 1) << "25 s of its own, and nothing came";
}

TEST_F(ConnectionTimersTest, WithoutARateDataMayBeSlow) {
  limits_.data_rate = 0;
  timeouts_.data_idle = 3'600'000;
  timers_.expect_client(clock_, {true, true, 1, 0});
  pass(10 * ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 0);
}

TEST_F(ConnectionTimersTest, StoppedTheyExpireNoMore) {
  timers_.begin_session(clock_);
  timers_.expect_client(clock_, {true, true, 1, 0});
  timers_.stop();
  pass(1'000'000);
  EXPECT_EQ(idle_ + too_slow_ + session_, 0);
}

class MemoryAccountTest : public testing::Test {
 protected:
  static std::shared_ptr<Peer> peer(Peers& peers, const char* address) {
    return peers.enter(address).peer;
  }

  message::ResourceLimits resources_{1u << 20, 1u << 20, testing::TempDir()};
  Peers peers_{kPeerLimits};
  std::shared_ptr<Peer> peer_ = peer(peers_, "192.0.2.1");
  MemoryAccount account_{resources_, peer_};
};

TEST_F(MemoryAccountTest, CountsAndReleasesInput) {
  EXPECT_TRUE(account_.keep_input(1000));
  EXPECT_TRUE(account_.keep_input(24));
  EXPECT_EQ(resources_.memory.used(), 1024u);
  EXPECT_FALSE(account_.keep_input(1u << 20));
  account_.release_input();
  EXPECT_EQ(resources_.memory.used(), 0u);
}

TEST_F(MemoryAccountTest, HeldMemoryCountsInWholeSteps) {
  EXPECT_TRUE(account_.hold(MemoryAccount::kStep - 1));
  EXPECT_EQ(resources_.memory.used(), 0u);
  EXPECT_TRUE(account_.hold(3 * MemoryAccount::kStep + 5));
  EXPECT_EQ(resources_.memory.used(), 3 * MemoryAccount::kStep);
  EXPECT_TRUE(account_.hold(0));
  EXPECT_EQ(resources_.memory.used(), 0u);
}

TEST_F(MemoryAccountTest, TheLastReplyFindsRoomWhereThereIsNone) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.memory.limit()));
  EXPECT_TRUE(account_.hold_last(MemoryAccount::kStep + 100));
  EXPECT_FALSE(account_.hold_last(10 * MemoryAccount::kStep));
  resources_.memory.release(resources_.memory.limit());
}

TEST_F(MemoryAccountTest, WhenMemoryIsShortOnlySmallEnvelopesGrow) {
  EXPECT_TRUE(account_.add_recipient(MemoryAccount::kFairEnvelope));
  EXPECT_TRUE(account_.add_recipient(100)) << "there is enough";
  ASSERT_TRUE(resources_.memory.reserve(resources_.soft_limit()));
  EXPECT_FALSE(account_.add_recipient(100));
  MemoryAccount other(resources_, peer(peers_, "192.0.2.2"));
  EXPECT_TRUE(other.add_recipient(100));
  resources_.memory.release(resources_.soft_limit());
}

TEST_F(MemoryAccountTest, EnvelopeIsPassedOnWithItsReservation) {
  ASSERT_TRUE(account_.add_recipient(500));
  {
    const MemoryAccount::EnvelopeReservation envelope = account_.take_envelope();
    account_.release_envelope();
    EXPECT_EQ(resources_.memory.used(), 500u);
    EXPECT_EQ(peer_->memory, 500u);
    EXPECT_TRUE(account_.add_recipient(100)) << "the next one";
  }
  EXPECT_EQ(resources_.memory.used(), 100u);
  EXPECT_EQ(peer_->memory, 100u);
}

// Eight peers that take all they get leave room for the first recipients of another.
TEST_F(MemoryAccountTest, AboveHalfOfTheMemoryAPeerHasAShare) {
  std::vector<std::unique_ptr<MemoryAccount>> greedy;
  std::vector<std::shared_ptr<Peer>> peers;
  for (int n = 0; n < 8; ++n) {
    peers.push_back(peer(peers_, ("198.51.100." + std::to_string(n)).c_str()));
    for (int connection = 0; connection < 95; ++connection) {
      greedy.push_back(std::make_unique<MemoryAccount>(resources_, peers.back()));
      while (greedy.back()->add_recipient(700)) {
      }
    }
  }
  EXPECT_GT(resources_.memory.used(), resources_.memory.limit() / 2);
  for (int connection = 0; connection < 10; ++connection) {
    MemoryAccount other(resources_, peer_);
    EXPECT_TRUE(other.add_recipient(700)) << connection;
  }
  greedy.clear();
}

TEST_F(MemoryAccountTest, APeerWithManyBodiesGetsTheFirstRecipientsOfTheNext) {
  const uint64_t bodies = resources_.memory.limit() / 8 * 5;
  ASSERT_TRUE(resources_.memory.reserve(bodies));
  peer_->memory += bodies;
  EXPECT_TRUE(account_.add_recipient(700));
  while (account_.add_recipient(700)) {
  }
  EXPECT_LE(resources_.memory.used() - bodies, MemoryAccount::kFirstRecipients);
  peer_->memory -= bodies;
  resources_.memory.release(bodies);
}

class MessageReceiverTest : public testing::Test {
 protected:
  message::ResourceLimits resources_{1u << 20, 1u << 20, testing::TempDir()};
  Peers peers_{kPeerLimits};
  std::shared_ptr<Peer> peer_ = peers_.enter("192.0.2.1").peer;
  MessageReceiver receiver_{resources_, peer_};
};

TEST_F(MessageReceiverTest, KeepsABody) {
  receiver_.begin();
  EXPECT_TRUE(receiver_.append("hello "));
  EXPECT_TRUE(receiver_.append("world"));
  EXPECT_FALSE(receiver_.wants_flush());
  EXPECT_EQ(receiver_.size(), 11u);
  const auto received = receiver_.finish();
  EXPECT_EQ(received.body->size(), 11u);
  EXPECT_FALSE(receiver_.wants_flush()) << "there is none any more";
}

TEST_F(MessageReceiverTest, WantsTheFileWhereMemoryIsShort) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.soft_limit()));
  receiver_.begin();
  EXPECT_TRUE(receiver_.append("hello"));
  EXPECT_TRUE(receiver_.wants_flush());
  EXPECT_TRUE(receiver_.reserve_spill());
  EXPECT_TRUE(receiver_.flush());
  receiver_.flushed();
  EXPECT_FALSE(receiver_.wants_flush());
  EXPECT_EQ(peer_->spill.used(), 5u);
  EXPECT_TRUE(receiver_.finish().body->spilled());
  EXPECT_EQ(peer_->spill.used(), 0u);
  resources_.memory.release(resources_.soft_limit());
}

TEST_F(MessageReceiverTest, GivesUpOnceAndDiscardsTheRest) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.memory.limit()));
  receiver_.begin();
  EXPECT_FALSE(receiver_.append("no room")) << "said once";
  EXPECT_TRUE(receiver_.append("the rest"));
  EXPECT_TRUE(receiver_.given_up());
  EXPECT_FALSE(receiver_.wants_flush());
  resources_.memory.release(resources_.memory.limit());
  receiver_.begin();
  EXPECT_FALSE(receiver_.given_up());
  EXPECT_TRUE(receiver_.append("the next one"));
  receiver_.discard();
  EXPECT_EQ(resources_.memory.used(), 0u);
}

TEST_F(MessageReceiverTest, BodiesInMemoryCountForTheirPeer) {
  receiver_.begin();
  EXPECT_TRUE(receiver_.append(std::string(5000, 'x')));
  EXPECT_EQ(peer_->memory, 5000u);
  {
    const auto received = receiver_.finish();
    EXPECT_EQ(peer_->memory, 5000u) << "while the chain has it";
  }
  EXPECT_EQ(peer_->memory, 0u);
}

TEST_F(MessageReceiverTest, TheLastMemoryIsForPeersThatHoldLittle) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.memory.limit() / 8 * 7));
  MessageReceiver other(resources_, peers_.enter("192.0.2.2").peer);
  receiver_.begin();
  other.begin();
  EXPECT_FALSE(receiver_.append(std::string(20'000, 'x'))) << "more than little";
  EXPECT_TRUE(other.append(std::string(4000, 'x')));
  resources_.memory.release(resources_.memory.limit() / 8 * 7);
}

TEST_F(MessageReceiverTest, WhereOthersHaveTheSpillAPeersBodiesShareAQuarterOfWhatIsLeft) {
  const uint64_t others = resources_.spill.limit() / 64 * 62;
  ASSERT_TRUE(resources_.spill.reserve(others));
  const std::string body((resources_.spill.limit() - others) / 6, 'x');
  MessageReceiver second(resources_, peer_);
  receiver_.begin();
  second.begin();
  ASSERT_TRUE(receiver_.append(body));
  ASSERT_TRUE(second.append(body));
  EXPECT_TRUE(receiver_.reserve_spill());
  EXPECT_FALSE(second.reserve_spill());
  resources_.spill.release(others);
  EXPECT_TRUE(second.reserve_spill()) << "there is enough";
}

TEST_F(MessageReceiverTest, EightPeersThatTakeAllTheyGetLeaveMemoryForTheBodiesOfAnother) {
  std::vector<std::unique_ptr<PeerReservation>> greedy;
  for (int n = 0; n < 8; ++n) {
    const auto peer = peers_.enter("198.51.100." + std::to_string(n)).peer;
    greedy.push_back(std::make_unique<PeerReservation>(peer));
    while (peer->may_reserve(resources_, 700) && resources_.memory.reserve(700)) {
      greedy.back()->add(700);
    }
    EXPECT_GT(greedy.back()->held(), 0u);
  }
  receiver_.begin();
  EXPECT_TRUE(receiver_.append(std::string(4000, 'x')));
  for (auto& one : greedy) resources_.memory.release(one->held());
}

// Bodies that peers hold in files, as their counts have them.
class SpillShareTest : public testing::Test {
 protected:
  struct Sender {
    std::shared_ptr<Peer> peer;
    uint64_t held = 0;
  };
  Sender sender() { return {peers_.enter("198.51.100." + std::to_string(++senders_)).peer}; }
  // False: the peer has no room for another body of this size.
  bool spill(Sender& from, uint64_t size) {
    if (!from.peer->may_spill(resources_, 0, size)) return false;
    if (!resources_.spill.reserve(size)) return false;
    EXPECT_TRUE(from.peer->spill.reserve(size));
    from.held += size;
    return true;
  }
  // On a hundred connections, whatever they get.
  void take_all(Sender& greedy) {
    uint64_t size = kBody;
    for (int connections = 100; connections > 0 && size > 0;) {
      spill(greedy, size) ? --connections : size /= 2;
    }
  }

  static constexpr uint64_t kBody = 10u << 20, kOrdinary = 30'000;
  message::ResourceLimits resources_{48u << 20, 1u << 30, testing::TempDir()};
  const uint64_t limit_ = resources_.spill.limit();
  Peers peers_{kPeerLimits};
  int senders_ = 0;
};

TEST_F(SpillShareTest, OneRelayAloneFillsNearlyAllAndItsOrdinaryMailGoesOn) {
  Sender relay = sender();
  while (spill(relay, kBody)) {
  }
  EXPECT_GT(relay.held, limit_ / 64 * 59);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(spill(relay, kOrdinary)) << i;
}

TEST_F(SpillShareTest, OneRelayBesideSmallOnesUsesMostOfIt) {
  Sender relay = sender();
  for (int i = 0; i < 100; ++i) {
    Sender small = sender();
    ASSERT_TRUE(spill(small, 1u << 20));
  }
  while (spill(relay, kBody)) {
  }
  EXPECT_GT(relay.held, limit_ / 3 * 2);
}

TEST_F(SpillShareTest, TwoPeersThatTakeAllTheyGetLeaveAThird) {
  Sender one = sender(), two = sender(), other = sender();
  for (bool more = true; more;) more = spill(one, kBody) | spill(two, kBody);
  EXPECT_LT(one.held + two.held, limit_ / 3 * 2);
  EXPECT_NEAR(static_cast<double>(one.held), static_cast<double>(two.held), 3.0 * kBody);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(spill(other, kBody)) << i;
}

TEST_F(SpillShareTest, EightPeersThatTakeAllTheyGetOneAfterTheOtherLeaveOthersTheirOrdinaryMail) {
  std::vector<Sender> greedy;
  for (int n = 0; n < 8; ++n) {
    greedy.push_back(sender());
    take_all(greedy.back());
  }
  EXPECT_GT(resources_.spill.used(), limit_ / 32 * 31);
  for (int n = 0; n < 10; ++n) {
    Sender other = sender();
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(spill(other, kOrdinary)) << n << " " << i;
  }
}

TEST_F(SpillShareTest, APeerWhoseShareShrankGetsMoreOnceItHoldsLess) {
  Sender one = sender(), two = sender();
  while (spill(one, kBody)) {
  }
  EXPECT_TRUE(spill(two, kBody)) << "of what is left";
  EXPECT_FALSE(spill(one, kBody));
  const uint64_t most = limit_ / 16 * 15 - 2 * kBody;
  while (one.held + kBody > most) {
    resources_.spill.release(kBody);
    one.peer->spill.release(kBody);
    one.held -= kBody;
  }
  EXPECT_TRUE(spill(one, kBody));
}

}  // namespace
}  // namespace lsmtpd::server
