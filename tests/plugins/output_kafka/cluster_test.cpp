// SPDX-License-Identifier: Apache-2.0
// The whole plugin against librdkafka's mock cluster: reports, losses, the end of a producer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "rig_kafka.hpp"

namespace lsmtpd::kafka::test {
namespace {

using testing::HasSubstr;

TEST(Produce, IsStoredOnceTheReportCame) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_STORED);
  EXPECT_THAT(verdict.detail, HasSubstr("mail[0]@0"));
  EXPECT_THAT(rig.log(), HasSubstr("the target may lose mail"));
}

TEST(Produce, OfManyIsStoredForEach) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  std::vector<lsmtpd_call> calls;
  for (int i = 0; i < 600; ++i) calls.push_back(rig.send());
  for (const lsmtpd_call call : calls) ASSERT_EQ(rig.wait(call).kind, LSMTPD_STORED);
}

TEST(Produce, OfALargeMessageFromAFileIsGatheredOnThePool) {
  Cluster cluster;
  Rig rig;
  rig.option("format", "raw");
  rig.open(cluster);
  lsmtpd_test_mail* mail = rig.mail(large_mail());
  lsmtpd_test_mail_spill(mail);
  rig.raw()->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  EXPECT_EQ(rig.deliver(mail).kind, LSMTPD_STORED);
}

TEST(Produce, OfAContentThatCannotBeReadIsATempfailAndNotInDoubt) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  lsmtpd_test_mail* mail = rig.mail(large_mail());
  lsmtpd_test_mail_spill(mail);
  rig.raw()->reads_to_fail = 1;
  const lsmtpd_test_verdict& verdict = rig.deliver(mail);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(verdict));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Produce, BecomesOneRecordForEachKeyOrTopic) {
  Cluster cluster;
  Rig rig;
  rig.option("key", "{rcpt_domain}");
  rig.open(cluster);
  const auto& verdict =
      rig.deliver(rig.mail("\r\nx\r\n", "a@one.example b@two.example c@one.example"));
  EXPECT_EQ(verdict.kind, LSMTPD_STORED);
  EXPECT_THAT(rig.deliver().detail, HasSubstr("mail[0]@2")) << "two came before";
}

TEST(Produce, ToATopicThatIsNoNameIsRefused) {
  Cluster cluster;
  Rig rig;
  rig.begin(cluster, "mail-{rcpt_local}");
  ASSERT_TRUE(rig.said("connected to the broker"));
  const auto& verdict = rig.deliver(rig.mail("\r\nx\r\n", "a+b@example.org"));
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 550U);
}

TEST(Produce, WithoutMemoryIsATempfail) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  lsmtpd_test_memory_limit(rig.raw(), 0);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  lsmtpd_test_memory_limit(rig.raw(), 64 << 20);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Report, ThatAPolicyForbidsTheRecordIsARefusal) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  cluster.refuse(RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_REJECT);
  EXPECT_EQ(verdict.code, 554U);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED) << "and the next one is taken";
}

TEST(Report, ThatTheUserMayNotWriteIsATempfailAndAnError) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  cluster.refuse(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_FALSE(Rig::in_doubt(verdict));
  EXPECT_THAT(rig.log(), HasSubstr("allow it Write and Describe of the topic"));
  EXPECT_TRUE(rig.until([&] { return rig.deliver().kind == LSMTPD_STORED; })) << rig.log();
}

TEST(Report, ThatPassesIsWaitedForByLibrdkafka) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  cluster.refuse(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 2);
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Epoch, ThatTheBrokerHasNoLongerIsRenewedByLibrdkafka) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);
  cluster.refuse(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 3);
  (void)rig.deliver();
  ASSERT_TRUE(rig.until([&] { return rig.deliver().kind == LSMTPD_STORED; }));
}

// Two records are under way when the connection breaks; then the leader refuses the first, and the
// second has a sequence number that comes too early.
TEST(Fatal, ErrorGetsAnotherProducer) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);
  cluster.answer_in(300);
  const lsmtpd_call first = rig.send();
  rig.turn();
  const lsmtpd_call second = rig.send();
  rig.turn();
  cluster.down();
  ASSERT_TRUE(rig.said("broker not reached"));
  cluster.refuse(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  cluster.refuse(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  cluster.answer_in(0);
  cluster.up();
  (void)rig.wait(first);
  (void)rig.wait(second);
  ASSERT_TRUE(rig.until([&] { return rig.deliver().kind == LSMTPD_STORED; })) << rig.log();
  if (rd_kafka_version() >= 0x020300ff) return;  // sends both again by itself
  EXPECT_THAT(rig.log(), HasSubstr("giving the producer up"));
  EXPECT_THAT(rig.log(), HasSubstr("OUT_OF_ORDER_SEQUENCE_NUMBER"));
}

TEST(Loss, OfTheBrokersIsWaitedForAndStoredOnce) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  cluster.answer_in(300);
  const lsmtpd_call call = rig.send();
  rig.turn();
  cluster.down();
  ASSERT_TRUE(rig.said("broker not reached"));
  EXPECT_THAT(rig.reason(), HasSubstr("broker not reached"));
  EXPECT_EQ(rig.answer(call), nullptr) << "it may still be stored under its sequence number";
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL) << "new mail goes elsewhere at once";
  cluster.answer_in(0);
  cluster.up();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  ASSERT_TRUE(rig.said("broker reached again"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Loss, FromTheBeginningIsATempfailWithTheReason) {
  Cluster cluster;
  cluster.down();
  Rig rig;
  rig.begin(cluster);
  const lsmtpd_test_verdict& verdict = rig.deliver();
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_THAT(rig.reason(), HasSubstr("connect"));
  cluster.up();
  ASSERT_TRUE(rig.said("ready to publish"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_STORED);
}

TEST(Deadline, HoldsNewMailBackUntilALateOutcome) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);  // the leader is connected
  cluster.answer_in(600);
  const lsmtpd_call call = rig.send();
  rig.turn();
  rig.cancel(call);
  EXPECT_THAT(rig.log(), HasSubstr("the broker has not answered within the deadline"));
  EXPECT_EQ(rig.deliver().kind, LSMTPD_TEMPFAIL);
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_STORED);
  EXPECT_THAT(rig.log(), HasSubstr("the broker answers again"));
}

TEST(Deadline, ThatIsLongPastGetsAnotherProducerAndIsInDoubt) {
  Cluster cluster;
  Rig rig;
  rig.option("stall", "1s");
  rig.open(cluster);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);  // the leader is connected
  cluster.answer_in(60'000);
  const lsmtpd_call call = rig.send();
  rig.turn();
  rig.cancel(call);
  const lsmtpd_test_verdict& verdict = rig.wait(call);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(Rig::in_doubt(verdict));
  EXPECT_THAT(rig.log(), HasSubstr("giving the producer up"));
}

TEST(Close, EndsWhatIsUnderWayInDoubt) {
  Cluster cluster;
  Rig rig;
  rig.open(cluster);
  ASSERT_EQ(rig.deliver().kind, LSMTPD_STORED);  // the leader is connected
  cluster.answer_in(60'000);
  const lsmtpd_call call = rig.send();
  rig.turn();
  rig.close();
  const lsmtpd_test_verdict& verdict = rig.wait(call);
  EXPECT_EQ(verdict.kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(Rig::in_doubt(verdict));
  EXPECT_TRUE(rig.closed());
}

TEST(Close, OfALaneThatNeverReachedABroker) {
  Cluster cluster;
  cluster.down();
  Rig rig;
  rig.begin(cluster);
  const lsmtpd_call call = rig.send();
  rig.close();
  EXPECT_EQ(rig.wait(call).kind, LSMTPD_TEMPFAIL);
  EXPECT_TRUE(rig.closed());
}

}  // namespace
}  // namespace lsmtpd::kafka::test
