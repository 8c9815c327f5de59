// SPDX-License-Identifier: Apache-2.0
// Which targets are used, and which warnings they get: RabbitMQ 4's queues by the answers of its
// management, and links without credit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Script rabbitmq4(const char* queue_type) {
  Script script;
  script.product = "RabbitMQ";
  script.version = "4.0.5";
  script.queue_type = queue_type;
  return script;
}

std::string probe(Rig& rig, std::uint32_t expected) {
  if (rig.start() != 0) return "not started: " + rig.errors();
  EXPECT_EQ(lsmtpd_test_probe(rig.raw())->kind, expected);
  return lsmtpd_test_steps(rig.raw());
}

TEST(QueueType, AQuorumQueueIsUsedAndSaid) {
  Peer peer(rabbitmq4("quorum"));
  Rig rig;
  rig.option("routing_key", "mail").attach(peer, nullptr);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_THAT(peer.questions(), ElementsAre("GET /queues/mail"));
  EXPECT_THAT(rig.log(), HasSubstr("quorum queue: synced to disk by a majority"));
  EXPECT_THAT(rig.log(), Not(HasSubstr("power cut")));
}

TEST(QueueType, AClassicQueueAndAStreamNeedAnAllowOption) {
  for (const char* type : {"classic", "stream"}) {
    Peer peer(rabbitmq4(type));
    Rig rig;
    rig.option("urls", peer.url()).option("routing_key", "mail");
    const std::string steps = probe(rig, LSMTPD_TEMPFAIL);
    EXPECT_THAT(steps, HasSubstr("attach 15 ")) << type;
    EXPECT_THAT(steps, HasSubstr("allow_lossy_target")) << type;
    EXPECT_TRUE(peer.attached().empty()) << type;
  }
}

TEST(QueueType, AnAllowOptionIsWarnedOfAtEachAttach) {
  for (const char* option : {"allow_lossy_target", "allow_unsynced_target"}) {
    Peer peer(rabbitmq4("classic"));
    Rig rig;
    rig.option("routing_key", "mail").option(option, "true").attach(peer, nullptr);
    EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << option;
    EXPECT_THAT(rig.log(), HasSubstr("does not survive a power cut"));
    EXPECT_THAT(rig.log(), HasSubstr("classic: survives the end of the broker's process"));
    peer.detach("amqp:link:detach-forced");
    rig.turn();
    rig.advance(10000);
    ASSERT_TRUE(rig.until([&] { return peer.attached().size() == 2; }));
    EXPECT_EQ(peer.questions().size(), 2U) << "asked again: it may be another queue by now";
  }
}

// LSMTPD's variables allow what may be lost by a power cut, and no more.
TEST(QueueType, AllowUnsyncedTargetDoesNotAllowALossyOne) {
  Script script = rabbitmq4("quorum");
  script.queue_bounded = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "mail");
  rig.option("allow_unsynced_target", "true");
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("reject-publish"));
}

TEST(QueueType, QueueTypeThatCannotBeAskedIsAWarning) {
  const struct {
    const char* name;
    void (*edit)(Script&);
    const char* expected;
  } rows[] = {
      {"no management", [](Script& script) { script.queue_type.clear(); }, "amqp:not-found"},
      {"no permission", [](Script& script) { script.queue_status = "401"; }, "answers 401"},
  };
  for (const auto& row : rows) {
    Script script = rabbitmq4("classic");
    row.edit(script);
    Peer peer(script);
    Rig rig;
    rig.option("routing_key", "mail").attach(peer, nullptr);
    EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << row.name;
    EXPECT_THAT(rig.log(), HasSubstr("could not be asked")) << row.name;
    EXPECT_THAT(rig.log(), HasSubstr(row.expected)) << row.name;
    EXPECT_EQ(rig.finish(), "") << row.name;
  }
}

TEST(QueueType, WithoutAnAnswerIsWaitedForNoLongerThanConnectTimeout) {
  Script script = rabbitmq4("quorum");
  script.management_silent = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "mail").option("connect_timeout", "3s");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return peer.questions().size() == 1; }));
  rig.turn();
  EXPECT_TRUE(peer.attached().empty());
  rig.advance(3000);
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "attached to the target"); }));
  EXPECT_THAT(rig.log(), HasSubstr("no answer within 3000 ms"));
}

TEST(QueueType, BehindAnExchangeIsAWarning) {
  Peer peer(rabbitmq4("quorum"));
  Rig rig;
  rig.option("exchange", "e").option("routing_key", "k").attach(peer, nullptr);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_TRUE(peer.questions().empty());
  EXPECT_THAT(rig.log(), HasSubstr("behind an exchange"));
}

TEST(QueueType, AQueueThatIsNotThereIsTheBrokersToRefuse) {
  Script script = rabbitmq4("classic");
  script.queue_status = "404";
  script.refuse_attach = "amqp:not-found";
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "mail");
  EXPECT_THAT(probe(rig, LSMTPD_TEMPFAIL), HasSubstr("amqp:not-found"));
}

TEST(QueueType, TakesTurnsWithTheLinkWhereTheBrokerAllowsOneSession) {
  Script script = rabbitmq4("quorum");
  script.sessions = 1;
  Peer peer(script);
  Rig rig;
  rig.option("routing_key", "mail").attach(peer, nullptr);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
  EXPECT_EQ(peer.connections(), 1U);
}

TEST(QueueType, OfManyTargetsIsAskedAtOnce) {
  Peer peer(rabbitmq4("quorum"));
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "{rcpt_domain}");
  ASSERT_EQ(rig.start(), 0);
  EXPECT_EQ(rig.deliver(rig.mail("x", "a@one b@two c@three")).kind, LSMTPD_STORED);
  EXPECT_EQ(peer.questions().size(), 3U);
  EXPECT_EQ(peer.attached().size(), 3U);
}

TEST(QueueType, AMessageOfTheManagementThatNobodyAskedForEndsTheConnection) {
  Script script = rabbitmq4("quorum");
  script.management_silent = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("routing_key", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([&] { return peer.questions().size() == 1; }));
  peer.tell("nobody asked");
  ASSERT_TRUE(rig.until([&] { return Rig::contains(rig.log(), "that it was not asked for"); }))
      << rig.log();
}

TEST(Starved, MailGoesToTheFallbackAtOnceAfterOneDeadlineUntilCreditComes) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call first = rig.send();
  const lsmtpd_call second = rig.send();
  rig.turn();
  rig.advance(10000);
  EXPECT_EQ(rig.admission().ready, 1U);
  rig.cancel(first);
  EXPECT_EQ(rig.wait(first).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.wait(second).kind, LSMTPD_TEMPFAIL) << "what waits behind it goes too";
  EXPECT_EQ(rig.admission().ready, 0U);
  const lsmtpd_call third = rig.send();
  ASSERT_NE(rig.answer(third), nullptr) << "it waited for a deadline of its own";
  EXPECT_THAT(rig.answer(third)->detail, HasSubstr("grants no credit since 20"));
  const std::string log = rig.log();
  EXPECT_EQ(log.find("the broker grants no credit"), log.rfind("the broker grants no credit"));
  peer.grant(10);
  ASSERT_TRUE(rig.until([&] { return rig.admission().ready == 1; }));
  EXPECT_THAT(rig.log(), HasSubstr("grants credit again"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Starved, ABusyLinkIsNotStarved) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.attach(peer);
  const lsmtpd_call call = rig.send();
  rig.turn();
  rig.advance(900);
  rig.cancel(call);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.admission().ready, 1U);
}

TEST(Probe, NoCreditIsAWarning) {
  Script script;
  script.credit = 0;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  lsmtpd_test_real_time(rig.raw(), 1);
  const std::string steps = probe(rig, LSMTPD_CONTINUE);
  EXPECT_THAT(steps, HasSubstr("warning: the broker grants no credit"));
}

}  // namespace
}  // namespace lsmtpd::amqp::test
