// SPDX-License-Identifier: Apache-2.0
// `anonymous_terminus`: one link, and each message names its target.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Script offering(const char* product = "Scripted", const char* version = "1.0") {
  Script script;
  script.product = product;
  script.version = version;
  script.anonymous_terminus = true;
  return script;
}

std::vector<std::string> named(const Peer& peer) {
  std::vector<std::string> addresses;
  for (const std::string& each : peer.messages()) addresses.push_back(decoded(each).to());
  return addresses;
}

TEST(AnonymousTerminus, OneLinkServesAllAddresses) {
  Peer peer(offering());
  Rig rig;
  rig.option("anonymous_terminus", "true").attach(peer, "in/{rcpt_domain}");
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "b@one.example c@two.example")).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "d@three.example")).kind, LSMTPD_STORED);
  EXPECT_THAT(named(peer), ElementsAre("in/one.example", "in/two.example", "in/three.example"));
  ASSERT_EQ(peer.attached().size(), 1U);
  EXPECT_FALSE(peer.attached().front().has_address);
  EXPECT_THAT(rig.log(), HasSubstr("what each of them does is not asked"));
}

TEST(AnonymousTerminus, RabbitMqGetsItsOwnFormOfARoutingKey) {
  Peer peer(offering("RabbitMQ", "4.0.5"));
  Rig rig;
  rig.option("anonymous_terminus", "true")
      .option("routing_key", "in {rcpt_domain}")
      .attach(peer, nullptr);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "b@one.example")).kind, LSMTPD_STORED);
  EXPECT_THAT(named(peer), ElementsAre("/queues/in%20one.example"));
  EXPECT_TRUE(peer.questions().empty()) << "there is no queue to ask for";
}

TEST(AnonymousTerminus, ExchangeStaysAndTheKeyChanges) {
  Peer peer(offering("RabbitMQ", "4.0.5"));
  Rig rig;
  rig.option("anonymous_terminus", "true").option("exchange", "mail");
  rig.option("routing_key", "{rcpt_domain}").attach(peer, nullptr);
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "b@one.example")).kind, LSMTPD_STORED);
  EXPECT_THAT(named(peer), ElementsAre("/exchanges/mail/one.example"));
}

TEST(AnonymousTerminus, OneAddressThatNoQueueTakesStopsNoOther) {
  Script script = offering();
  script.answer = [](std::size_t, const std::string& message) {
    return Answer{decoded(message).to() == "nobody.example" ? Answer::release : Answer::accept};
  };
  Peer peer(script);
  Rig rig;
  rig.option("anonymous_terminus", "true").attach(peer, "{rcpt_domain}");
  const lsmtpd_test_verdict& released = rig.deliver(rig.mail("x\r\n", "b@nobody.example"));
  EXPECT_EQ(released.kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(released.detail, AllOf(HasSubstr("released"), HasSubstr(" nobody.example")));
  EXPECT_EQ(rig.deliver(rig.mail("x\r\n", "b@one.example")).kind, LSMTPD_STORED);
  EXPECT_EQ(rig.admission().ready, 1U);
}

TEST(AnonymousTerminus, LossyAddressNeedsItsAllowOption) {
  for (const bool allowed : {false, true}) {
    Peer peer(offering("qpid", "9.2.0"));
    Rig rig;
    if (allowed) rig.option("allow_lossy_target", "true");
    rig.option("anonymous_terminus", "true").attach(peer, "amq.{rcpt_domain}");
    const lsmtpd_test_verdict& verdict = rig.deliver();
    EXPECT_EQ(verdict.kind, std::uint32_t{allowed ? LSMTPD_STORED : LSMTPD_TEMPFAIL});
    EXPECT_EQ(peer.messages().size(), allowed ? 1U : 0U);
    EXPECT_EQ(Rig::contains(verdict.detail, "allow_lossy_target"), !allowed);
  }
}

TEST(AnonymousTerminus, BrokerWithoutItIsSaid) {
  Peer peer(Script{});
  Rig rig;
  rig.option("urls", peer.url()).option("anonymous_terminus", "true").option("address", "{rcpt}");
  ASSERT_EQ(rig.start(), 0) << rig.errors();
  EXPECT_EQ(lsmtpd_test_probe(rig.raw())->kind, std::uint32_t{LSMTPD_TEMPFAIL});
  EXPECT_THAT(lsmtpd_test_steps(rig.raw()), HasSubstr("offers no anonymous terminus"));
  EXPECT_TRUE(peer.attached().empty());
}

TEST(AnonymousTerminus, ToAndATemplateOfAnExchangeDoNotStandBesideIt) {
  {
    Rig rig;
    rig.option("urls", "amqp://127.0.0.1").option("address", "mail");
    rig.option("anonymous_terminus", "true").option("to", "{rcpt}");
    EXPECT_NE(rig.start(), 0);
    EXPECT_THAT(rig.errors(), HasSubstr("stands beside `anonymous_terminus`"));
  }
  Rig rig;
  rig.option("urls", "amqp://127.0.0.1").option("exchange", "{rcpt_domain}");
  rig.option("anonymous_terminus", "true");
  EXPECT_NE(rig.start(), 0);
  EXPECT_THAT(rig.errors(), HasSubstr("only `routing_key` may be one"));
}

}  // namespace
}  // namespace lsmtpd::amqp::test
