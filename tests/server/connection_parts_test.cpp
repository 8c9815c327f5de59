// The parts of a connection, each by itself: its timers, its memory, the body it receives.
#include <gtest/gtest.h>

#include "server/connection_timers.hpp"
#include "server/memory_account.hpp"
#include "server/message_receiver.hpp"

namespace lsmtpd::server {
namespace {

class ConnectionTimersTest : public testing::Test {
 protected:
  void pass(uint64_t ms) { clock_.advance(clock_.now() + ms); }

  Limits limits_{.message_size = 0, .unread_replies = 0, .data_rate = 100};
  Timeouts timeouts_{.command = 5000, .data_idle = 3000, .session = 60'000};
  int idle_ = 0, session_ = 0, too_slow_ = 0;
  Deadlines clock_{1'000'000};
  ConnectionTimers timers_{
      limits_, timeouts_, {[this] { ++idle_; }, [this] { ++session_; }, [this] { ++too_slow_; }}};
};

TEST_F(ConnectionTimersTest, ACommandHasItsTimeFromTheEndOfTheOneBefore) {
  timers_.expect_client(clock_, {false, 1, 0});
  pass(4000);
  timers_.expect_client(clock_, {false, 1, 0});  // half a command
  pass(1000);
  EXPECT_EQ(idle_, 1);
  timers_.expect_client(clock_, {false, 2, 0});
  pass(4000);
  timers_.expect_client(clock_, {false, 3, 0});  // a whole one
  pass(4000);
  EXPECT_EQ(idle_, 1);
}

TEST_F(ConnectionTimersTest, DataHasItsTimeFromEachPiece) {
  for (uint64_t octets = 1000; octets < 5000; octets += 1000) {
    timers_.expect_client(clock_, {true, 1, octets});
    pass(2900);
  }
  EXPECT_EQ(idle_, 0);
  pass(100);
  EXPECT_EQ(idle_, 1);
}

TEST_F(ConnectionTimersTest, WhileTheClientWaitsForUsNothingRunsButTheSession) {
  timers_.begin_session(clock_);
  timers_.expect_client(clock_, {true, 1, 0});
  timers_.expect_us();
  pass(59'999);
  EXPECT_EQ(idle_ + too_slow_ + session_, 0);
  pass(1);
  EXPECT_EQ(session_, 1);
}

TEST_F(ConnectionTimersTest, DataIsTooSlowBelowTheRateOfAWindow) {
  timeouts_.data_idle = 3'600'000;
  timers_.expect_client(clock_, {true, 1, 500});
  timers_.expect_client(clock_, {true, 1, 500 + 3000});  // 100 a second in 30 s
  pass(ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 0);
  timers_.expect_client(clock_, {true, 1, 500 + 3000 + 2999});
  pass(ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 1);
}

TEST_F(ConnectionTimersTest, WithoutARateDataMayBeSlow) {
  limits_.data_rate = 0;
  timeouts_.data_idle = 3'600'000;
  timers_.expect_client(clock_, {true, 1, 0});
  pass(10 * ConnectionTimers::kRateWindowMs);
  EXPECT_EQ(too_slow_, 0);
}

TEST_F(ConnectionTimersTest, StoppedTheyExpireNoMore) {
  timers_.begin_session(clock_);
  timers_.expect_client(clock_, {true, 1, 0});
  timers_.stop();
  pass(1'000'000);
  EXPECT_EQ(idle_ + too_slow_ + session_, 0);
}

class MemoryAccountTest : public testing::Test {
 protected:
  message::ResourceLimits resources_{1u << 20, 1u << 20, testing::TempDir()};
  MemoryAccount account_{resources_};
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
  MemoryAccount other(resources_);
  EXPECT_TRUE(other.add_recipient(100));
  resources_.memory.release(resources_.soft_limit());
}

TEST_F(MemoryAccountTest, EnvelopeIsPassedOnWithItsReservation) {
  ASSERT_TRUE(account_.add_recipient(500));
  {
    const Reservation envelope = account_.take_envelope();
    account_.release_envelope();
    EXPECT_EQ(resources_.memory.used(), 500u);
    EXPECT_TRUE(account_.add_recipient(100)) << "the next one";
  }
  EXPECT_EQ(resources_.memory.used(), 100u);
}

class MessageReceiverTest : public testing::Test {
 protected:
  message::ResourceLimits resources_{1u << 20, 1u << 20, testing::TempDir()};
  MessageReceiver receiver_{resources_};
};

TEST_F(MessageReceiverTest, KeepsABody) {
  receiver_.begin();
  EXPECT_TRUE(receiver_.append("hello "));
  EXPECT_TRUE(receiver_.append("world"));
  EXPECT_FALSE(receiver_.wants_flush());
  EXPECT_EQ(receiver_.size(), 11u);
  const auto body = receiver_.finish();
  EXPECT_EQ(body->size(), 11u);
  EXPECT_FALSE(receiver_.wants_flush()) << "there is none any more";
}

TEST_F(MessageReceiverTest, WantsTheFileWhereMemoryIsShort) {
  ASSERT_TRUE(resources_.memory.reserve(resources_.soft_limit()));
  receiver_.begin();
  EXPECT_TRUE(receiver_.append("hello"));
  EXPECT_TRUE(receiver_.wants_flush());
  EXPECT_TRUE(receiver_.flush());
  EXPECT_FALSE(receiver_.wants_flush());
  EXPECT_TRUE(receiver_.finish()->spilled());
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

}  // namespace
}  // namespace lsmtpd::server
