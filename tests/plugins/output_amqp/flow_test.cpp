// SPDX-License-Identifier: Apache-2.0
// Credit, limits, deadlines, the stalled link, replay's share, and brokers that are not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::HasSubstr;
using testing::StrEq;

constexpr auto kReplay = LSMTPD_DELIVERY_REPLAY;

Script holding() {
  Script script;
  script.answer = [](std::size_t, const std::string&) { return Answer{Answer::hold, "", ""}; };
  return script;
}

// Nothing is left unsettled: the lane would wait for it when it closes.
void settle_all(Peer& peer) {
  peer.change([](Script& change) {
    change.answer = nullptr;
    change.credit = 1000;
  });
  peer.settle_held({});
  peer.grant(1000);
}

std::string admission_reason(Rig& rig) {
  const lsmtpd_admission admission = rig.admission();
  return std::string(admission.reason.data, admission.reason.size);
}

TEST(Credit, DeliveryWithoutCreditWaitsForALateGrant) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr);
  EXPECT_TRUE(peer.messages().empty());
  EXPECT_EQ(rig.admission().ready, 1U);
  peer.grant(1);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

TEST(Credit, NoCreditUntilTheDeadlineIsATempfailAndSendsNothing) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  rig.turn();
  rig.cancel(call);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.admission().ready, 1U) << "nothing is overdue: the link is not stalled";
  peer.grant(10);
  rig.turn();
  EXPECT_TRUE(peer.messages().empty());
  EXPECT_EQ(rig.finish(), "");
}

TEST(Credit, IsNeverExceeded) {
  Script script = holding();
  script.credit = 3;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(rig.send());
  // The peer tops up at half of its credit; hold it there.
  peer.change([](Script& change) { change.credit = 0; });
  ASSERT_TRUE(rig.until([&] { return peer.held() >= 3; }));
  for (const lsmtpd_call call : calls) rig.cancel(call);
  peer.settle_held({});
  for (const lsmtpd_call call : calls) EXPECT_NE(rig.wait(call).kind, 0U);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Credit, IsGivenBackToABrokerThatDrains) {
  Script script;
  script.credit = 7;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  peer.drain();
  ASSERT_TRUE(rig.until([&] { return peer.drained() == 7; }));
  const lsmtpd_call call = rig.send();
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr) << "there is no credit";
  peer.grant(1);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

// Flow with link-credit 0xffffffff, which Proton counts as -1.
TEST(Credit, BeyondWhatCanBeCountedIsRefusedAndSaid) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  rig.turn();
  peer.send_raw(
      std::string("\0\0\0\x21\x02\0\0\0\0\x53\x13\xc0\x14\x07\x43\x70\0\0\x08\0\x43"
                  "\x70\0\0\x08\0\x43\x43\x70\xff\xff\xff\xff",
                  33));
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.log(), HasSubstr("a credit of 4294967295, of which no more than 2147483647"));
  EXPECT_EQ(rig.admission().ready, 0U);
}

TEST(Limits, InFlightHoldsWhateverTheCredit) {
  Script script = holding();
  script.credit = 10000;
  Peer peer(script);
  Rig rig;
  rig.option("in_flight", "10").attach(peer);  // 100: the floor
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 150; ++i) calls.push_back(rig.send());
  ASSERT_TRUE(rig.until([&] { return peer.held() == 100; }));
  rig.turn();
  EXPECT_EQ(peer.held(), 100U);
  peer.change([](Script& change) { change.answer = nullptr; });
  peer.settle_held({});
  for (const lsmtpd_call call : calls) EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Limits, BytesInFlightHoldAndOneMessageAlwaysFits) {
  Peer peer(holding());
  Rig rig;
  rig.option("in_flight_bytes", "20KiB").attach(peer);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(rig.send(rig.mail(std::string(30000, 'x'))));
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.turn();
  EXPECT_EQ(peer.held(), 1U);
  peer.change([](Script& change) { change.answer = nullptr; });
  peer.settle_held({});
  for (const lsmtpd_call call : calls) EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

TEST(Limits, AFullQueueAnswersAtOnce) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("queue", "2").attach(peer);
  rig.send();
  rig.send();
  const lsmtpd_call third = rig.send();
  ASSERT_NE(rig.answer(third), nullptr);
  EXPECT_EQ(rig.answer(third)->kind, LSMTPD_TEMPFAIL);
}

TEST(Limits, NoBudgetMeansTempfail) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_memory_limit(rig.raw(), 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  lsmtpd_test_memory_limit(rig.raw(), -1);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Limits, ABudgetThatEndsHalfwaySlowsDownAndLosesNothing) {
  Peer peer({});
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_memory_limit(rig.raw(), 100000);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(rig.send(rig.mail(std::string(40000, 'x'))));
  for (const lsmtpd_call call : calls) EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Stalled, NewMailIsRefusedUntilALateOutcomeComes) {
  Peer peer(holding());
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call late = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.cancel(late);
  EXPECT_EQ(rig.answer(late), nullptr) << "its outcome is not known";
  const lsmtpd_call refused = rig.send();
  ASSERT_NE(rig.answer(refused), nullptr);
  EXPECT_EQ(rig.answer(refused)->kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.admission().ready, 0U);
  EXPECT_THAT(admission_reason(rig), HasSubstr("overdue"));
  peer.change([](Script& change) { change.answer = nullptr; });
  peer.settle_held({});
  EXPECT_EQ(rig.wait(late).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.admission().ready, 1U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Stalled, ALateRejectionStillCounts) {
  Peer peer(holding());
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call late = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.cancel(late);
  peer.settle_held({Answer::reject, "amqp:decode-error", ""});
  EXPECT_EQ(rig.wait(late).kind, LSMTPD_REJECT);
}

TEST(Stalled, ASilentLinkIsReplacedAndEverythingUnsettledAnswered) {
  Peer peer(holding());
  Rig rig;
  rig.option("stall", "5s").option("idle_timeout", "0s").attach(peer);
  const lsmtpd_call first = rig.send();
  const lsmtpd_call second = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 2; }));
  rig.cancel(first);
  rig.advance(4999);
  EXPECT_EQ(rig.answer(first), nullptr);
  rig.advance(1);
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.wait(second).kind, LSMTPD_TEMPFAIL);
  peer.change([](Script& change) { change.answer = nullptr; });
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 2; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Stalled, TheNextBrokerIsTriedFirst) {
  Peer silent(holding());
  Peer next({});
  Rig rig;
  rig.option("urls", silent.url()).option("urls", next.url()).option("address", "mail");
  rig.option("spread", "false").option("stall", "5s").option("idle_timeout", "0s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return silent.attached().size() == 1; }));
  const lsmtpd_call sent = rig.send();
  ASSERT_TRUE(rig.until([&] { return silent.held() == 1; }));
  rig.cancel(sent);
  rig.advance(5000);
  EXPECT_EQ(rig.wait(sent).kind, LSMTPD_TEMPFAIL);
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return next.attached().size() == 1; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(silent.connections(), 1U);
}

TEST(Stalled, WaitingMailGoesToTheFallbackAtOnce) {
  Script script = holding();
  script.credit = 2;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  peer.change([](Script& change) { change.credit = 0; });
  const lsmtpd_call sent = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  const lsmtpd_call also_sent = rig.send();
  const lsmtpd_call waiting = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 2; }));
  rig.cancel(sent);
  ASSERT_NE(rig.answer(waiting), nullptr);
  EXPECT_EQ(rig.answer(waiting)->kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.answer(also_sent), nullptr);
  settle_all(peer);
}

Script holding_with(std::uint32_t credit) {
  Script script = holding();
  script.credit = credit;
  return script;
}

// A peer that holds what it gets, and gives no more credit than at first: for 9 messages.
class ReplayShare : public ::testing::Test {
 protected:
  void SetUp() override {
    rig_.attach(peer_);
    peer_.change([](Script& change) { change.credit = 0; });
  }
  void TearDown() override { settle_all(peer_); }

  // How many of ten that are replayed the peer has when nothing moves any more.
  std::size_t replayed() {
    const std::size_t before = peer_.held();
    for (int i = 0; i < 10; ++i) rig_.send(rig_.mail(), kReplay);
    for (int i = 0; i < 20; ++i) rig_.turn();
    return peer_.held() - before;
  }

  Peer peer_{holding_with(9)};
  Rig rig_;
};

TEST_F(ReplayShare, IsThreeQuartersOfTheCreditWithoutLiveMail) {
  EXPECT_EQ(replayed(), 6U);
}

TEST_F(ReplayShare, IsAQuarterWhileLiveMailIsUnsettled) {
  rig_.send();
  ASSERT_TRUE(rig_.until([&] { return peer_.held() == 1; }));
  EXPECT_EQ(replayed(), 2U);
}

TEST_F(ReplayShare, IsAQuarterForASecondAfterLiveMail) {
  const lsmtpd_call live = rig_.send();
  ASSERT_TRUE(rig_.until([&] { return peer_.held() == 1; }));
  peer_.settle_held({});
  ASSERT_EQ(rig_.wait(live).kind, LSMTPD_STORED);
  EXPECT_EQ(replayed(), 2U);
  rig_.advance(1000);
  rig_.send(rig_.mail(), kReplay);  // which makes the output look again
  ASSERT_TRUE(rig_.until([&] { return peer_.held() == 6; }));
}

TEST(Replay, YieldsToLiveMail) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call replayed = rig.send(rig.mail("replayed\r\n"), kReplay);
  const lsmtpd_call live = rig.send(rig.mail("live\r\n"));
  rig.turn();
  peer.grant(2);
  EXPECT_EQ(rig.wait(live).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.wait(replayed).kind, LSMTPD_STORED);
  EXPECT_THAT(body_of(peer.messages().at(0)), HasSubstr("live"));
}

TEST(Replay, GoesOneAtATimeAfterALinkLoss) {
  Peer peer(holding());
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call lost = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  peer.drop();
  EXPECT_EQ(rig.wait(lost).kind, LSMTPD_TEMPFAIL);
  rig.advance(Rig::kFirstPause);
  ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
  for (int i = 0; i < 4; ++i) rig.send(rig.mail(), kReplay);
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.turn();
  EXPECT_EQ(peer.held(), 1U);
  peer.settle_held({}, 1);
  ASSERT_TRUE(rig.until([&] { return peer.messages().size() == 3; }));
  rig.turn();
  EXPECT_EQ(peer.held(), 1U);
  settle_all(peer);
}

TEST(Down, StartsDegradedAndSaysSoAfterTheFirstAttempt) {
  std::string url;
  {
    Peer peer({});
    url = peer.url();
  }
  Rig rig;
  rig.option("urls", url).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.admission().ready, 1U) << "it is not known yet";
  const lsmtpd_call waiting = rig.send();
  const auto& verdict = rig.wait(waiting);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(verdict.enhanced, StrEq("4.4.1"));
  EXPECT_THAT(verdict.detail, HasSubstr("Connection refused"));
  EXPECT_EQ(rig.admission().ready, 0U);
  EXPECT_THAT(admission_reason(rig), HasSubstr("Connection refused"));
  const lsmtpd_call refused = rig.send();
  EXPECT_NE(rig.answer(refused), nullptr);
  EXPECT_EQ(rig.finish(), "");
}

TEST(Down, TheNextBrokerOfTheListIsTriedAtOnce) {
  std::string url;
  {
    Peer gone({});
    url = gone.url();
  }
  Peer peer({});
  Rig rig;
  rig.option("urls", url).attach(peer);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Down, KeepsTryingWithPauses) {
  Script script;
  script.refuse_open = "amqp:not-allowed";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("reconnect_first", "1s");
  ASSERT_EQ(rig.start(), 0);
  for (std::size_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(rig.until([&] { return peer.connections() == i; }));
    ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 0; }));
    rig.turn();
    EXPECT_EQ(peer.connections(), i);
    // The longest pause of this round; the shortest of the next one is as long.
    rig.advance(std::uint64_t{1000} << (i - 1));
  }
  EXPECT_THAT(admission_reason(rig), HasSubstr("amqp:not-allowed"));
  peer.change([](Script& change) { change.refuse_open.clear(); });
  // An attempt that was refused under the old script may still be on its way to its pause.
  ASSERT_TRUE(rig.until([&] {
    rig.advance(1000);
    return Rig::contains(rig.log(), "attached to the target");
  }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Down, APeerThatSaysNothingIsGivenUpAfterConnectTimeout) {
  Script script;
  script.silent = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail").option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.connections() == 1; }));
  rig.turn();
  rig.advance(3000);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.log(), HasSubstr("no answer within 3000 ms"));
  EXPECT_EQ(rig.finish(), "");
}

TEST(Down, APeerThatFallsSilentIsGivenUpAfterIdleTimeout) {
  Peer peer(holding());
  Rig rig;
  rig.option("idle_timeout", "10s").attach(peer);
  rig.advance(4000);
  EXPECT_EQ(peer.connections(), 1U);
  peer.grant(1000);  // the last that it says
  const lsmtpd_call call = rig.send();
  ASSERT_TRUE(rig.until([&] { return peer.held() == 1; }));
  rig.turn();
  peer.change([](Script& change) { change.silent = true; });
  rig.advance(9999);
  rig.turn();
  EXPECT_EQ(rig.answer(call), nullptr) << rig.log();
  rig.advance(1);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.log(), HasSubstr("local-idle-timeout expired"));
}

TEST(Down, HeartbeatsGoOutAsThePeerAsks) {
  Script script;
  script.idle_timeout = 1000;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  lsmtpd_test_real_time(rig.raw(), 1);
  const std::uint64_t start = rig.raw()->now_ms;
  ASSERT_TRUE(rig.until([&] { return rig.raw()->now_ms > start + 2500; }));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

// Half of what the peer allows (Proton announces half of its 60 s) after the last frame.
TEST(Down, AHeartbeatIsCountedFromTheLastFrameThatWentOut) {
  Script script;
  script.idle_timeout = 60000;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  rig.advance(10000);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  rig.turn();
  const std::uint64_t before = peer.frames();
  rig.advance(14999);
  rig.turn();
  EXPECT_EQ(peer.frames(), before);
  rig.advance(1);
  EXPECT_TRUE(rig.until([&] { return peer.frames() > before; }));
}

TEST(Shutdown, WaitsForOutcomesThatAreUnderWay) {
  Script script;
  script.answer = [](std::size_t, const std::string&) { return Answer{}; };
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  EXPECT_EQ(rig.finish(), "");
  ASSERT_NE(rig.answer(call), nullptr);
}

}  // namespace
}  // namespace lsmtpd::amqp::test
